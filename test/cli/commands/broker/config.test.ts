// Tries what `muster broker config` refuses: routes that would not make the cluster that was meant.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { muster } from '../../program.ts';

test('a server that --routes names twice is refused, because another one is then missing', async t => {
  const { code, stdout, stderr } = await muster(t, [
    'broker',
    'config',
    '--routes',
    'n1:6222,n2:6222,n1:6222',
  ]);
  assert.deepEqual([code, stdout], [64, '']);
  assert.match(stderr, /--routes: n1:6222 is there twice\nHint: {2}name each server of the cluster once/);
});
