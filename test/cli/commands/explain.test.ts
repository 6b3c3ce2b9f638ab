// Tests `muster explain`: what it prints of each state, and its exit codes.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { explainText } from '../../../agent/cli/commands/explain-text.ts';
import type { OperationView } from '../../../agent/protocol/http-operations.ts';
import { newOperation } from '../../../agent/protocol/operation.ts';
import { MusterError } from '../../../agent/system/errors.ts';
import { cluster, serve } from '../../requester/api/api-fixture.ts';
import { muster } from '../program.ts';

const at = '2026-01-01T12:00:00.000Z';
const [operation, other] = [1, 2].map(ms => newOperation(new Date(ms), randomUUID())) as [string, string];
const decision: OperationView['Decisions'][number] = {
  NodeID: 'node-1',
  Kind: 'approved',
  Stands: true,
  At: at,
  Actor: 'ada',
  ClaimedActor: 'ada@desk',
  Reason: 'new \u001b[31m disk',
  Fingerprint: '',
  Event: { ID: 'node-1:s1:7', Sequence: 12, Time: at },
  EventWaits: false,
};

test('it says what became of an operation', () => {
  const unknown = cluster().explained(operation);
  const told = '; announced as event node-1:s1:7 (message 12 of the stream).';
  const rows: [Partial<OperationView>, string[]][] = [
    [
      { State: 'stands', Decisions: [decision] },
      [
        `Operation ${operation} stands.`,
        `node-1: approved at ${at} by ada (ada@desk), "new \\u001b[31m disk"${told}`,
      ],
    ],
    [
      {
        State: 'overtaken',
        Decisions: [
          {
            ...decision,
            Reason: '',
            Event: undefined,
            EventWaits: true,
            Stands: false,
            Later: { Kind: 'rejected', At: at, Actor: 'bob', Reason: 'no', Operation: other },
          },
        ],
      },
      [
        `Operation ${operation} was carried out, and something else was decided later.`,
        `node-1: approved at ${at} by ada (ada@desk); its event is not sent yet. It was rejected later at ${at} by bob, "no" (operation ${other}).`,
      ],
    ],
    [
      { State: 'refused', Refusals: [{ NodeID: 'node-7', Action: 'approve', Reason: 'not found', At: at }] },
      [
        `Operation ${operation} was refused by node-0, and changed nothing.`,
        `node-7: the request to approve it was refused at ${at}: not found`,
      ],
    ],
    [
      {
        State: 'overtaken',
        Changes: [
          { Kind: 'join_code_revoked', Name: 'abc', Stands: true, At: at, Actor: 'ada' },
          {
            Kind: 'operator_created',
            Name: 'bob',
            Stands: false,
            Actor: '',
            Later: { Kind: 'operator_revoked', At: at, Actor: 'ada', Reason: '', Operation: other },
          },
        ],
      },
      [
        `Operation ${operation} was carried out, and something else was decided later.`,
        `join code abc: revoked at ${at} by ada.`,
        `operator bob: created. It was revoked later at ${at} by ada (operation ${other}).`,
      ],
    ],
    [
      { State: 'under_way', UnderWay: [{ NodeID: '', What: 'operator bob', Action: 'create' }] },
      [`Operation ${operation} is under way.`, 'operator bob: node-0 is about to create it.'],
    ],
    [
      {},
      [
        `No requester has recorded a change of a node, a token, a join code, a ban, a CA or the store by operation ${operation}: none was made.`,
      ],
    ],
    [
      { EventsSince: at, Doubts: ['s1 is away'] },
      [
        `No requester has recorded a change of a node, a token, a join code, a ban, a CA or the store by operation ${operation}: none was made, or it was before ${at}, from when on events are kept.`,
        'This may change: s1 is away.',
      ],
    ],
    [
      { State: 'under_way', UnderWay: [{ NodeID: 'node-1', Action: 'approve' }] },
      [`Operation ${operation} is under way.`, 'node-1: node-0 is about to approve it.'],
    ],
  ];
  for (const [view, lines] of rows) {
    const shown = explainText({ ...unknown, ...view });
    assert.equal(shown.replaceAll('\n  ', ' '), `${lines.join('\n')}\n`);
    for (const line of shown.split('\n')) assert.ok(line.length <= 80, line);
  }
});

test('it ends with the code of what became of the operation', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  const unknown = directory.explained(operation);
  const run = async (view: Partial<OperationView>, ...flags: string[]) => {
    directory.explained = () => ({ ...unknown, ...view });
    return await muster(t, ['explain', operation, '--api-port', String(api.port), ...flags]);
  };
  const json = await run({ State: 'stands', Decisions: [decision] }, '-o', 'json');
  assert.deepEqual([json.code, JSON.parse(json.stdout).Decisions[0].Event.Sequence], [0, 12]);
  const yaml = await run({}, '-o', 'yaml');
  assert.equal(yaml.code, 1);
  assert.match(yaml.stdout, /^State: unknown$/m);
  assert.equal((await run({ State: 'under_way' })).code, 69);
});

test('what is no operation is a wrong usage, and what cannot be known has no answer', async t => {
  const directory = cluster();
  const api = await serve(t, directory);
  const wrong = await muster(t, ['explain', 'node-1', '--api-port', String(api.port)]);
  assert.equal(wrong.code, 64, wrong.stderr);
  directory.failure = new MusterError('unreachable', 'it cannot be known now');
  const unknowable = await muster(t, ['explain', operation, '--api-port', String(api.port)]);
  assert.deepEqual([unknowable.code, unknowable.stdout], [69, '']);
  assert.match(unknowable.stderr, /it cannot be known now/);
});
