// Checks how a signal ends a command, also when the command is the first process of a container.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';

const interruption = new URL('../../agent/roles/interruption.ts', import.meta.url);
const command = `
  import { closeWhenInterrupted } from ${JSON.stringify(interruption.href)};
  setInterval(() => undefined, 1000);
  closeWhenInterrupted(() => console.log('closed'));
  process.kill(process.pid, 'SIGTERM');
`;
const node = [process.execPath, '--input-type=module', '-e', command];

function run([program = '', ...args]: readonly string[]) {
  return new Promise<{ code: unknown; signal: unknown; stdout: string }>(resolve => {
    execFile(program, args, (error, stdout) =>
      resolve({ code: error?.code ?? null, signal: error?.signal ?? null, stdout }),
    );
  });
}

test('an interrupted command closes what is open, and ends by the signal', async () => {
  assert.deepEqual(await run(node), { code: null, signal: 'SIGTERM', stdout: 'closed\n' });
});

test('the first process of a container cannot end by a signal, so it ends with the exit code for the signal', async t => {
  const container = ['unshare', '--pid', '--fork', '--kill-child'];
  if ((await run([...container, 'true'])).code !== null) return t.skip('this user may not make a container');
  assert.deepEqual(await run([...container, ...node]), { code: 143, signal: null, stdout: 'closed\n' });
});
