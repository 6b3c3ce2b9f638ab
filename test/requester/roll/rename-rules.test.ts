// When a node may be renamed, and what its record keeps.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeState } from '../../../agent/protocol/node-state.ts';
import { beginRename } from '../../../agent/requester/roll/rename-rules.ts';
import { absentRecord, type StoredRecord } from '../../../agent/requester/roll/stored-record.ts';
import { MusterError } from '../../../agent/system/errors.ts';
import { computeInfo, record, requesterNode } from '../samples.ts';

const at = '2026-02-01T00:00:00.000Z';
const operation = '019ac9d2-7c1e-7b3a-9f0e-5d2c8a41b6f7';
const decision = { reason: 'r', actor: 'ann', claimedActor: 'ada@desk', operation };
const own: NodeState = {
  ...record('old', 'APPROVED'),
  Info: { ...computeInfo('old'), Agent: { Version: '1.0.0', TakesID: true } },
  Muster: {
    PublicKey: 'N-1',
    Session: 's',
    Instance: 'i',
    Attempt: 3,
    Operations: [`approved ${operation}`],
  },
};
const stored = (state: NodeState, revision = 7): StoredRecord => ({ kind: 'record', revision, state });

const begin = (former: StoredRecord, newId = 'new', taken: StoredRecord = absentRecord, more = {}) =>
  beginRename(taken, newId, former, 'old', { decision: { ...decision, ...more }, at, lastSeenAt: 0 });

/** Returns why a rename is refused, with what to do. */
function refusalOf(...args: Parameters<typeof begin>): string {
  try {
    begin(...args);
  } catch (error) {
    assert.ok(error instanceof MusterError, String(error));
    return `${error.code}: ${error.message}; ${error.hint ?? ''}`;
  }
  assert.fail('it was not refused');
}

test('the copy has all of the record but its session, and says where it comes from', () => {
  const { write, operations } = begin(stored(own));
  assert.ok(typeof write === 'object');
  const { Session, Instance, Attempt, FormerIDs, Arrival, PublicKey } = write.Muster ?? {};
  assert.deepEqual([write.Info.NodeID, write.Membership, PublicKey], ['new', 'APPROVED', 'N-1']);
  assert.deepEqual([Session, Instance, Attempt], [undefined, undefined, undefined]);
  assert.deepEqual(Arrival, { Revision: 7, Operation: operation });
  const LastSeenAt = '1970-01-01T00:00:00.000Z';
  assert.deepEqual(FormerIDs, [
    { ID: 'old', At: at, Actor: 'ann', ClaimedActor: 'ada@desk', Reason: 'r', LastSeenAt },
  ]);
  assert.deepEqual(operations, [`approved ${operation}`, `renamed ${operation}`]);
});

test('the last eight former ids are kept, and the present one is never among them', () => {
  const FormerIDs = ['new', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map(ID => ({
    ID,
    At: at,
    Actor: 'ann',
    Reason: '',
  }));
  const { write } = begin(stored({ ...own, Muster: { ...own.Muster, FormerIDs } }));
  const kept = typeof write === 'object' ? write.Muster?.FormerIDs?.map(({ ID }) => ID) : undefined;
  assert.deepEqual(kept, ['old', 'a', 'b', 'c', 'd', 'e', 'f', 'g']);
});

test('a node is not renamed when its agent could not take the id, or the id is not free', () => {
  const { Agent: _agent, ...info } = own.Info;
  const withAgent = (Agent: NodeState['Info']['Agent']) => stored({ ...own, Info: { ...info, Agent } });
  assert.match(
    refusalOf(stored({ ...own, Info: info })),
    /^conflict: the agent .* earlier version.*; install/,
  );
  assert.match(refusalOf(withAgent({ Version: '0.1.0' })), /earlier version/);
  assert.match(
    refusalOf(withAgent({ Version: '1.0.0', TakesID: false })),
    /set by node\.id .*; remove node\.id/,
  );
  assert.match(refusalOf(stored({ ...own, Muster: {} })), /no key that the requester checks/);
  assert.match(refusalOf(stored(own), 'old'), /has this id already/);
  assert.match(refusalOf(absentRecord), /^not_found/);
  assert.match(refusalOf({ kind: 'unreadable', revision: 1 }), /^bad_state/);
  assert.match(refusalOf(stored({ ...own, Info: requesterNode('old') })), /is a requester/);
  assert.match(
    refusalOf(stored(own), 'new', stored(record('new', 'PENDING'))),
    /the id new is taken.*; choose/,
  );
  assert.match(refusalOf(stored(own), 'new', absentRecord, { reason: 'x'.repeat(1025) }), /^usage/);
  for (const free of [
    { kind: 'deleted', revision: 3 },
    { kind: 'renamed', revision: 3, to: 'x', at },
  ] as const)
    assert.ok(begin(stored(own), 'new', free).write);
});

test('the same rename is begun once, and another one to the same id is refused meanwhile', () => {
  const { write } = begin(stored(own));
  assert.ok(typeof write === 'object');
  const arriving: StoredRecord = { kind: 'arriving', revision: 8, state: write };
  assert.deepEqual(begin(stored(own), 'new', arriving), {});
  const other = { operation: operation.replace(/^0/, '1') };
  assert.match(refusalOf(stored(own), 'new', arriving, other), /this node is being renamed to it/);
});
