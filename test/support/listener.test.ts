// A port that a test has taken is taken for all tests on this machine, also those of another run.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { freePort, refusedByFetch, reservePort } from './listener.ts';
import { newFolder } from './temporary.ts';

/** Asks another process, with a folder for temporary files of its own, whether it can reserve the port. */
async function reservedElsewhere(port: number): Promise<boolean> {
  const module = new URL('./listener.ts', import.meta.url);
  const script = `import { reservePort } from '${module}'; console.log(await reservePort(${port}));`;
  const env = { ...process.env, TMPDIR: await newFolder() };
  const { stdout } = await promisify(execFile)(process.execPath, ['--eval', script], { env });
  return stdout.trim() === 'false';
}

describe('a free port', () => {
  it('is not given again, neither in this process nor to another run of the tests', async () => {
    const port = await freePort();
    assert.equal(await reservePort(port), false);
    assert.equal(await reservedElsewhere(port), true);
  });

  it('is none of those to which fetch sends no request, because a cluster there could never be asked', async () => {
    for (const port of refusedByFetch)
      await assert.rejects(fetch(`http://127.0.0.1:${port}`), ({ cause }) => /bad port/.test(String(cause)));
  });
});
