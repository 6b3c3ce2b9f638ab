// Checks the findings for settings that do not load.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configuration } from '../../../agent/doctor/checks/configuration.ts';
import { MusterError } from '../../../agent/system/errors.ts';

test('a fault with a hint of its own has that as its remedy', async () => {
  const thrown = new MusterError('bad_config', 'no folder for data', { hint: 'set dataDir' });
  assert.deepEqual(await configuration({ thrown }).run(), [
    { status: 'failed', text: 'no folder for data', remedy: 'set dataDir' },
  ]);
});

test('each fault has a finding with its place, and the remedy names "muster config check"', async () => {
  const thrown = new MusterError('bad_config', 'a.yaml:1: no\na.yaml:2: no');
  const findings = await configuration({ thrown }).run();
  assert.deepEqual(
    findings.map(({ text }) => text),
    ['a.yaml:1: no', 'a.yaml:2: no'],
  );
  for (const { remedy } of findings) assert.match(remedy ?? '', /muster config check/);
});

test('the remedy for a file that cannot be read is to make it readable', async () => {
  for (const why of ['cannot be read: permission denied', 'there is no such file']) {
    const thrown = new MusterError('bad_config', `/a.yaml: ${why}`);
    const [finding] = await configuration({ thrown }).run();
    assert.match(finding?.remedy ?? '', /^name the right file, or let the user of the role read it/);
  }
});
