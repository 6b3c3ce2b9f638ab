// Tests `muster status` for a person and for a program. Text from elsewhere cannot steer the terminal.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { showStatus } from '../../../agent/cli/commands/status.ts';
import type { LoadedSettings } from '../../../agent/config/load.ts';
import { runtimeFolder } from '../../../agent/config/paths.ts';
import { holdFolder } from '../../../agent/system/role-socket.ts';
import { defaultSettings } from '../../support/default-settings.ts';
import { newFolder } from '../../support/temporary.ts';

const rejected = {
  role: 'agent' as const,
  node: 'node-1',
  pid: 7,
  state: 'rejected',
  reason: 'node registration rejected\u009b2J',
  conditions: [
    { Type: 'HardwareMismatch', Reason: 'CPUs: 64 declared, 2 found', Since: '2026-01-01T00:00:00.000Z' },
  ],
};

async function shown(
  t: TestContext,
  output: 'text' | 'json',
  status: Record<string, unknown> & { role: 'agent' | 'requester' } = rejected,
): Promise<string> {
  const data = await newFolder();
  const folder = runtimeFolder(data, status.role);
  await mkdir(folder, { recursive: true });
  const lock = await holdFolder(
    folder,
    async () => status,
    () => 'held',
  );
  t.after(() => lock.close());
  let text = '';
  const settings = { ...defaultSettings(), dataDir: data };
  const load = async () => ({ settings }) as unknown as LoadedSettings;
  assert.equal(
    await showStatus(load, output, more => {
      text += more;
    }),
    0,
  );
  return text;
}

test('a person sees why the node is rejected, and its conditions', async t => {
  const text = await shown(t, 'text');
  assert.match(text, /^ {2}state +rejected \(node registration rejected\\u009b2J\)$/m);
  assert.match(text, /^ {2}heartbeats +0 sent$/m);
  assert.match(text, /^ {2}condition +HardwareMismatch since 2026-\S+: CPUs: 64 declared, 2 found$/m);
});

test('a person sees how many nodes have events that the broker has not acknowledged', async t => {
  for (const [eventsWaiting, expected] of [
    [0, 'all acknowledged by the broker'],
    [1, '1 node has events that the broker has not acknowledged'],
    [7, '7 nodes have events that the broker has not acknowledged'],
  ] as const) {
    const status = { role: 'requester' as const, node: 'node-0', pid: 8, state: 'ready', eventsWaiting };
    const text = await shown(t, 'text', status);
    assert.equal(/^ {2}events +(.+)$/m.exec(text)?.[1], expected);
  }
});

test('a program gets the same as JSON, with control characters as escapes', async t => {
  const text = await shown(t, 'json');
  assert.ok(!text.includes('\u009b'));
  assert.deepEqual(JSON.parse(text), [rejected]);
});
