// Tests `node explain`: how a node came to its state, what comes next, and what to do about it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readEvent, readNode } from '../../../../agent/api/answers.ts';
import { explainNodeText } from '../../../../agent/cli/commands/node/explain-node-text.ts';
import { adviceFor } from '../../../../agent/output/node-text/advice.ts';
import { eventTexts } from '../../../../agent/protocol/event-texts.ts';
import { cluster, serve } from '../../../requester/api/api-fixture.ts';
import { computeInfo, record, requesterNode } from '../../../requester/samples.ts';
import { muster } from '../../program.ts';

const now = new Date('2026-01-01T12:00:00Z');

/** Returns a node as a command reads it. */
const shown = (node: object) => readNode(JSON.parse(JSON.stringify(node)));

function event(kind: string, time: string, data: object) {
  return readEvent({
    specversion: '1.0',
    id: `gpu-7:${time}`,
    source: '/muster/c/node-0',
    type: `org.muster.node.${kind}`,
    subject: 'gpu-7',
    time,
    datacontenttype: 'application/json',
    data: { node: 'gpu-7', ...data },
  });
}

const sick = shown({
  ...record('gpu-7', 'APPROVED', {
    Info: {
      ...computeInfo('gpu-7', { rack: 'b7', zone: 'eu' }),
      Hostname: 'rack7-3',
      Conditions: [{ Type: 'GpuMissing', Reason: '7 of 8 GPUs are there', Since: '2026-01-01T11:00:00Z' }],
    },
  }),
  Connection: 'DISCONNECTED',
  Muster: {
    Health: 'UNHEALTHY',
    Silence: 60_000,
    Outlook: {
      Rule: 'it is silent for more than 45s (requester.nodeDisconnectedAfter)',
      Next: 'UNKNOWN',
      NextAt: '2026-01-01T12:00:30Z',
    },
    RegisteredAt: '2026-01-01T09:00:00Z',
    JoinCode: 'abcdefgh23',
    Fingerprint: 'BDWE-AMSB-5ZAN-P4NC',
    Labels: { rack: 'b7' },
    Decision: {
      Action: 'approve',
      Actor: 'ada',
      ClaimedActor: 'root@desk',
      Reason: '',
      At: '2026-01-01T10:00:00Z',
    },
  },
});

test('a sick node is explained: how it came in, why it is so, what comes next, and what to do', () => {
  const Events = [
    event('approved', '2026-01-01T10:00:00Z', {
      previous: { membership: 'PENDING' },
      current: { membership: 'APPROVED' },
      actor: 'ada',
      claimedActor: 'root@desk',
      reason: 'a long reason, which does not fit beside the rest of its event',
    }),
    event('unhealthy', '2026-01-01T11:59:45Z', {
      previous: { health: 'HEALTHY' },
      current: { health: 'UNHEALTHY' },
      evidence: { silence: 45_000 },
    }),
  ];
  assert.equal(
    explainNodeText({ Node: sick, Events, Advice: adviceFor(sick) }, now),
    `gpu-7 is APPROVED and UNHEALTHY

membership
  approval     APPROVED
  decision     approved by ada (root@desk), 2026-01-01 10:00:00 UTC (2 h ago)
  registered   2026-01-01 09:00:00 UTC (3 h ago)
  join code    abcdefgh23
  fingerprint  BDWE-AMSB-5ZAN-P4NC

health
  status       UNHEALTHY
  last heard   60 s ago
  because      it is silent for more than 45s (requester.nodeDisconnectedAfter)
  next         UNKNOWN if nothing is heard of it for 30 s more (until 12:00:30
               UTC)

conditions
  GpuMissing   7 of 8 GPUs are there
               since 2026-01-01 11:00:00 UTC (60 min ago)

labels
  rack  b7  of the control plane, by join code abcdefgh23
  zone  eu  the node's own

last events
  2026-01-01 10:00:00  approved    PENDING -> APPROVED
      "a long reason, which does not fit beside the rest of its event"  by ada
      (root@desk)
  2026-01-01 11:59:45  unhealthy   HEALTHY -> UNHEALTHY  silent for 45s

what to do
  find out why nothing is heard of it, on rack7-3:
      muster doctor
  if it is gone for good:
      muster node delete gpu-7 -m REASON
  see what each source says of its GPUs, on rack7-3:
      muster probe --sources
`,
  );
});

test('a cordon is explained with who wants it, why, and when it ends', () => {
  const Cordon = {
    Reason: 'disk swap',
    Actor: 'ada',
    At: '2026-01-01T11:00:00Z',
    Until: '2026-01-01T13:00:00Z',
  };
  const node = shown({ ...record('n-1', 'APPROVED'), Muster: { Health: 'HEALTHY', Cordon } });
  assert.match(
    explainNodeText({ Node: node, Events: [], Advice: [] }, now),
    /\ncordon\n {2}cordoned +by ada, 2026-01-01 11:00:00 UTC[\s\S]* ends by itself[\s\S]*\n {2}why +disk swap\n/,
  );
});

test('the event of a cordon says when it ends, and by when the work should be over', () => {
  const cordoned = event('cordoned', '2026-01-01T11:00:00Z', {
    previous: { membership: 'APPROVED' },
    current: { membership: 'APPROVED' },
    actor: 'ada',
    cordon: { drain: true, deadline: '2026-01-01T11:30:00Z', until: '2026-01-01T13:00:00Z' },
  });
  assert.deepEqual(eventTexts(cordoned).details, [
    'by ada',
    'to be drained by 2026-01-01 11:30:00 UTC',
    'until 2026-01-01 13:00:00 UTC',
  ]);
});

test('a condition since a time that is ahead says so', () => {
  const Conditions = [{ Type: 'GpuMissing', Reason: 'gone', Since: '2026-01-01T14:00:00Z' }];
  const node = shown(record('n-1', 'APPROVED', { Info: { ...computeInfo('n-1'), Conditions } }));
  assert.match(
    explainNodeText({ Node: node, Events: [], Advice: [] }, now, 200),
    /since 2026-01-01 14:00:00 UTC \(in 2 h\), by its own clock, which is ahead\n/,
  );
});

test('what to do about a node depends on what is wrong with it', () => {
  const commands = (membership: 'PENDING' | 'APPROVED' | 'REJECTED', more: object) => {
    const node = shown({ ...record('n-1', membership), Muster: { Health: 'HEALTHY', ...more } });
    return adviceFor(node).map(({ Command }) => Command);
  };
  assert.deepEqual(commands('APPROVED', {}), []);
  assert.deepEqual(commands('PENDING', { Fingerprint: 'AAAA' }), [
    'muster node approve n-1 --fingerprint AAAA',
    'muster node reject n-1 -m REASON',
  ]);
  const Cordon = { Reason: 'disk swap', Actor: 'ada', At: now.toISOString() };
  assert.deepEqual(commands('APPROVED', { Cordon }), ['muster node uncordon n-1']);
  assert.deepEqual(commands('REJECTED', { Health: 'UNKNOWN' }), ['muster node approve n-1']);
  assert.deepEqual(commands('APPROVED', { Health: 'UNKNOWN' }), [
    'muster doctor',
    'muster node delete n-1 -m REASON',
  ]);
  const Former = { Membership: 'APPROVED', GoneAt: now.toISOString(), UndeletedAt: now.toISOString() };
  assert.deepEqual(commands('PENDING', { Former, Health: 'UNKNOWN' })[2], 'muster agent register');
  assert.deepEqual(commands('APPROVED', { Former, Health: 'UNKNOWN' })[0], 'muster agent register');
  assert.deepEqual(commands('APPROVED', { Former, Silence: 1_000 }), []);
  assert.deepEqual(adviceFor(shown(record('node-0', 'APPROVED', { Info: requesterNode() }))), []);
});

test('the command takes a beginning of an id, and tells a script the same', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  const run = (...args: string[]) => muster(t, ['node', 'explain', ...args, '--api-port', String(api.port)]);
  const text = await run('node-3');
  assert.deepEqual([text.code, text.stderr], [0, '']);
  assert.match(text.stdout, /^node-3 is PENDING and HEALTHY\n/);
  assert.match(text.stdout, /\nlast events\n {2}none are kept\n\nwhat to do\n {2}let it take part/);
  directory.nodes.delete('node-2');
  directory.nodes.delete('node-3');
  const { stdout } = await run('node-1', '-o', 'json');
  const { Node, Events, Advice } = JSON.parse(stdout);
  assert.deepEqual([Node.Info.NodeID, Events, Advice.length], ['node-1', [], 2]);
  assert.deepEqual(await run('x'), {
    code: 1,
    stdout: '',
    stderr: 'Error: node not found: x\nHint:  the nodes that are there: muster node list\n',
  });
});

test('of a node that is gone, explain and describe say when it went, by whom and why', async t => {
  const directory = cluster();
  const told = event('deleted', '2026-01-01T11:00:00Z', {
    previous: { membership: 'APPROVED' },
    current: {},
    actor: 'ada',
    reason: 'sold',
  });
  directory.events.push({ node: 'gpu-7', time: new Date(told.time), text: JSON.stringify(told) });
  const api = await serve(t, directory);
  for (const verb of ['explain', 'describe']) {
    const { code, stderr } = await muster(t, ['node', verb, 'gpu-7', '--api-port', String(api.port)]);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^Error: node not found: gpu-7\nHint: {2}gpu-7 was deleted 2026-01-01 11:00:00 UTC \(.* ago\), "sold", by ada; what happened before: muster events --node gpu-7\n$/,
    );
  }
});
