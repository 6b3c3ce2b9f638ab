// Tests `muster version` from source. The packaged file is tested in e2e/packaged-host.test.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { version } from '../../../agent/system/version.ts';
import { muster } from '../program.ts';

test('version shows the version, and as JSON also Node.js and the kind of machine', async t => {
  assert.deepEqual(await muster(t, ['version']), { code: 0, stdout: `muster ${version}\n`, stderr: '' });
  const { code, stdout } = await muster(t, ['version', '-o', 'json']);
  const { arch, platform } = process;
  assert.deepEqual(
    [code, JSON.parse(stdout)],
    [
      0,
      {
        Version: version,
        Node: process.version,
        Platform: platform,
        Arch: arch,
      },
    ],
  );
});

test('from source there are no licences, and the error says where they are', async t => {
  const { code, stdout, stderr } = await muster(t, ['version', '--licences']);
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(
    stderr,
    /^Error: this muster runs from its source and carries no licences\nHint: .*node_modules/,
  );
});
