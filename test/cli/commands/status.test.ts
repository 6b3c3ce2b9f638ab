// Tests `muster status` for a person and for a program. Text from elsewhere cannot steer the terminal.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { showStatus } from '../../../agent/cli/commands/status.ts';
import type { SilentRole } from '../../../agent/cli/commands/status-text.ts';
import type { LoadedSettings } from '../../../agent/config/load.ts';
import { runtimeFolder } from '../../../agent/config/paths.ts';
import { withShownNames } from '../../../agent/output/member-names.ts';
import { MusterError } from '../../../agent/system/errors.ts';
import { holdFolder } from '../../../agent/system/role-socket.ts';
import { defaultSettings } from '../../support/default-settings.ts';
import { readShown } from '../../support/read-shown.ts';
import { newFolder } from '../../support/temporary.ts';

/** A status as a role gives it. Text from elsewhere may contain anything. */
type GivenStatus = Record<string, unknown> & { role: 'agent' | 'requester' };

const rejected: GivenStatus = {
  role: 'agent',
  node: 'node-1',
  pid: 7,
  state: 'rejected',
  reason: 'malicious node?\u009b2J',
  troubles: [
    {
      code: 'rejected',
      text: 'an operator rejected this node: malicious node?\u009b2J',
      hint: "to let it take part, run on the requester's machine: muster node approve node-1",
    },
  ],
  conditions: [
    { Type: 'HardwareMismatch', Reason: 'CPUs: 64 declared, 2 found', Since: '2026-01-01T00:00:00.000Z' },
  ],
};

/** Runs `muster status` in a folder in which these roles run. Returns its exit code and what it printed. */
async function shown(t: TestContext, output: 'text' | 'json', ...roles: (GivenStatus | 'hangs')[]) {
  const data = await newFolder();
  for (const given of roles) {
    const role = given === 'hangs' ? 'agent' : given.role;
    const folder = runtimeFolder(data, role);
    await mkdir(folder, { recursive: true });
    const lock = await holdFolder(
      folder,
      async () => {
        if (given === 'hangs') throw new MusterError('failed', 'it hangs');
        return given;
      },
      () => 'held',
    );
    t.after(() => lock.close());
  }
  let text = '';
  const settings = { ...defaultSettings(), dataDir: data };
  const load = async () => ({ settings }) as unknown as LoadedSettings;
  const code = await showStatus(load, output, more => {
    text += more;
  });
  return { code, text };
}

test('what is wrong comes first, at 80 columns, and the exit code is 1', async t => {
  const { code, text } = await shown(t, 'text', rejected);
  assert.equal(code, 1);
  assert.match(
    text,
    /^agent node-1\n {2}trouble +an operator rejected this node: malicious node\?\\u009b2J\n {2}to do +to let it take part/,
  );
  assert.match(text, /^ {2}state +rejected$/m);
  assert.match(text, /^ {2}heartbeats +0 sent$/m);
  assert.match(
    text.replaceAll(/\n {4}\s+/g, ' '),
    /^ {2}condition +HardwareMismatch since 2026-01-01 00:00:00 UTC \(.+ ago\): CPUs: 64 declared, 2 found$/m,
  );
  for (const line of text.split('\n')) assert.ok(line.length <= 80, line);
});

test('a node that waits for approval is no trouble, and the command to approve it is shown', async t => {
  const pending: GivenStatus = { role: 'agent', node: 'node-1', pid: 7, state: 'pending' };
  const { code, text } = await shown(t, 'text', pending);
  assert.equal(code, 0);
  assert.match(text, /^agent node-1\n {2}state +pending approval\n {2}to do +to let it take part/);
  assert.match(text.replaceAll(/\n +/g, ' '), /muster node approve node-1/);
});

test('a role that does not answer is shown beside the others, with exit code 1', async t => {
  const ready: GivenStatus = { role: 'requester', node: 'node-0', pid: 8, state: 'ready' };
  const { code, text } = await shown(t, 'text', ready, 'hangs');
  assert.equal(code, 1);
  assert.match(
    text,
    /^requester node-0\n {2}state +ready\n[\s\S]*\nagent\n {2}trouble {2}it hangs\n {2}to do/,
  );
  const json = await shown(t, 'json', ready, 'hangs');
  assert.equal(json.code, 1);
  const [, silent] = readShown<SilentRole[]>(json.text);
  assert.deepEqual(
    [silent?.role, silent?.state, silent?.troubles[0]?.code],
    ['agent', 'silent', 'no_answer'],
  );
});

test('the reason why a requester is degraded is shown once, as its trouble', async t => {
  const text = 'the store lost the records of 3 nodes';
  const degraded: GivenStatus = {
    role: 'requester',
    node: 'node-0',
    pid: 8,
    state: 'degraded',
    reason: text,
    troubles: [{ code: 'records_lost', text, hint: 'do this' }],
  };
  const result = await shown(t, 'text', degraded);
  assert.equal(result.text.split(text).length, 2);
  assert.match(result.text, /^ {2}state +degraded$/m);
});

test('a person sees how many nodes have events that the broker has not acknowledged', async t => {
  for (const [eventsWaiting, expected] of [
    [0, 'all acknowledged by the broker'],
    [1, '1 node has events that the broker has not acknowledged'],
    [7, '7 nodes have events that the broker has not acknowledged'],
  ] as const) {
    const status: GivenStatus = { role: 'requester', node: 'node-0', pid: 8, state: 'ready', eventsWaiting };
    const { code, text } = await shown(t, 'text', status);
    assert.equal(code, 0);
    assert.equal(/^ {2}events +(.+)$/m.exec(text)?.[1], expected);
  }
});

test('a person sees which other requester has another clock', async t => {
  const peers = [
    { requester: 'node-8', host: 'host-8', watches: true },
    { requester: 'node-9', host: 'host-9', watches: false, clockAheadMs: -7_200_000 },
  ];
  const status: GivenStatus = { role: 'requester', node: 'node-0', pid: 8, state: 'ready', peers };
  const { code, text } = await shown(t, 'text', status);
  assert.equal(code, 0);
  assert.match(
    text.replace(/\s+/g, ' '),
    /clocks the clock of node-9 on host-9 is 2 h behind this requester's; let a time service set both/,
  );
  assert.equal(text.split('clocks').length, 2);
});

test('a person sees when the certificates end, and which other requester has another version', async t => {
  const endsAt = new Date(Date.now() + 20.5 * 86_400_000).toISOString();
  const status: GivenStatus = {
    role: 'requester',
    node: 'node-0',
    pid: 8,
    state: 'ready',
    version: '2.0.0',
    certificates: [
      { use: 'broker and API', endsAt },
      { use: 'CA of broker and API', endsAt: '9999-12-31T23:59:59.000Z' },
    ],
    peers: [
      { requester: 'node-8', host: 'host-8', version: '2.0.0', watches: true },
      { requester: 'node-9', host: 'host-9', version: '1.9.0', watches: false },
    ],
  };
  const text = (await shown(t, 'text', status)).text.replace(/\s+/g, ' ');
  assert.match(
    text,
    /certificate broker and API: ends soon: \S+ \S+ UTC \(in 20 days\) certificate CA of broker and API: does not end/,
  );
  assert.match(text, /beside it node-8 on host-8, node-9 on host-9 \(muster 1\.9\.0\)/);
});

test('a program gets the same as JSON, with control characters as escapes', async t => {
  const { code, text } = await shown(t, 'json', rejected);
  assert.equal(code, 1);
  assert.ok(!text.includes('\u009b'));
  assert.deepEqual(JSON.parse(text), withShownNames([rejected]));
  assert.match(text, /"Troubles": \[\n +\{\n +"Code": "rejected"/);
});

test('what keeps a requester from its work is said once, as a trouble', async t => {
  const text = 'the node info store is not found';
  const starting = { role: 'requester', node: 'node-0', pid: 7, state: 'starting', trust: 'keys' } as const;
  const reason = `waiting for the broker's store: ${text}`;
  const troubled = await shown(t, 'text', {
    ...starting,
    reason,
    troubles: [{ code: 'x', text, hint: 'h' }],
  });
  assert.match(troubled.text, / {2}state +starting\n/);
  assert.equal(troubled.text.split(text).length, 2);
  const waiting = await shown(t, 'text', { ...starting, reason: 'waiting for the broker' });
  assert.match(waiting.text, / {2}state +starting \(waiting for the broker\)\n/);
});
