// Tests the membership rules for the requests of nodes, case by case.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AnswerCode } from '../../../agent/protocol/answers.ts';
import type { RegisterRequest } from '../../../agent/protocol/messages.ts';
import type { Membership } from '../../../agent/protocol/node-state.ts';
import { nodeView } from '../../../agent/requester/directory/node-view.ts';
import { approveNode } from '../../../agent/requester/roll/decisions.ts';
import { maxInfoBytes } from '../../../agent/requester/roll/info-rules.ts';
import {
  type RegistrationPolicy,
  register,
  unknownNode,
  updateInfo,
} from '../../../agent/requester/roll/membership.ts';
import type { StoredRecord } from '../../../agent/requester/roll/stored-record.ts';
import { at, computeInfo, record } from '../samples.ts';
import { type From, storedRecords } from './stored-records.ts';

const manual: RegistrationPolicy = { manualApproval: true, now: at, session: 's-new', publicKey: undefined };
const automatic: RegistrationPolicy = { ...manual, manualApproval: false };

const request = (muster = true, Info = computeInfo('node-1')): RegisterRequest => ({
  Info,
  ...(muster ? { Muster: { Version: '0.1.0', Instance: 'i-9', BootID: 'b-9' } } : {}),
});

describe('a registration that arrives late', () => {
  const registration = (Attempt: number, Instance = 'i-1'): RegisterRequest => ({
    ...request(),
    Muster: { Version: '0.1.0', Instance, Attempt },
  });
  const after = (Attempt: number): StoredRecord => {
    const { write } = register(storedRecords.absent, registration(Attempt), manual);
    assert.ok(write);
    return { kind: 'record', state: write, revision: 1 };
  };

  test('does not end the session of a later one of the same process', () => {
    const { code, write } = register(after(2), registration(1), manual);
    assert.deepEqual([code, write], ['unavailable', undefined]);
  });

  test('does not bring back a node that was deleted since a later one of the same process', () => {
    const registered = { instance: 'i-1', attempt: 2 };
    const deleted: StoredRecord = { kind: 'deleted', revision: 2, registration: registered };
    const { code, write } = register(deleted, registration(1), manual);
    assert.deepEqual([code, write], ['unavailable', undefined]);
    for (const each of [registration(3), registration(1, 'i-2'), request()])
      assert.equal(register(deleted, each, manual).code, 'registered');
  });

  test('counts when it is as new as the last one, or of another process, or says no number', () => {
    const requests = [registration(2), registration(3), registration(1, 'i-2'), request()];
    for (const each of requests) assert.equal(register(after(2), each, manual).code, 'reconnected');
  });
});

test('a new node whose id looks like a flag is refused with the reason, and one on the roll goes on', () => {
  const wish = request(true, computeInfo('-1'));
  const refused = register(storedRecords.absent, wish, manual);
  assert.deepEqual([refused.code, refused.write], ['malformed', undefined]);
  assert.match(refused.reason, /^the id -1 begins with a dash.*node\.id/);
  const stored: StoredRecord = { kind: 'record', revision: 1, state: record('-1', 'APPROVED') };
  assert.equal(register(stored, wish, manual).code, 'reconnected');
  assert.equal(register(storedRecords.deleted, wish, manual).code, 'registered');
});

describe('a node that came in with a join code', () => {
  const joinedBy = { code: 'abcdefgh23', approve: false, labels: {}, at };
  const approving = { ...joinedBy, approve: true, labels: { rack: 'b7' } };

  test('waits for approval, and its record and its event name the code', () => {
    const { write, change } = register(storedRecords.absent, request(), { ...manual, joinedBy });
    assert.deepEqual([write?.Membership, write?.Muster?.JoinCode], ['PENDING', 'abcdefgh23']);
    assert.deepEqual([change?.Current, change?.Actor, change?.JoinCode], ['PENDING', 'node-1', 'abcdefgh23']);
    assert.equal(write?.Muster?.Labels, undefined);
  });

  test('is approved at its first registration if the code says so, and gets its labels', () => {
    const { write, change } = register(storedRecords.absent, request(), { ...manual, joinedBy: approving });
    assert.equal(write?.Membership, 'APPROVED');
    assert.deepEqual(write?.Muster?.Labels, { rack: 'b7' });
    const actor = 'join code abcdefgh23';
    assert.deepEqual(write?.Muster?.Decision, { Action: 'approve', Reason: '', Actor: actor, At: at });
    assert.deepEqual([change?.Kind, change?.Current, change?.Actor], ['registered', 'APPROVED', actor]);
  });

  test('gets nothing more from the code at a later registration', () => {
    for (const from of ['PENDING', 'REJECTED'] as const) {
      const { write } = register(storedRecords[from], request(), { ...manual, joinedBy: approving });
      assert.deepEqual(
        [write?.Membership, write?.Muster?.Labels, write?.Muster?.Decision],
        [from, undefined, undefined],
      );
    }
  });

  test('that was deleted since then is new, unless it came in with the code afterwards', () => {
    const deletedAt = (time: string): StoredRecord => ({ kind: 'deleted', revision: 9, at: time });
    const membership = (stored: StoredRecord) =>
      register(stored, request(), { ...manual, joinedBy: approving }).write?.Membership;
    assert.equal(membership(deletedAt('2099-01-01T00:00:00Z')), 'PENDING');
    assert.equal(membership(storedRecords.deleted), 'PENDING');
    assert.equal(membership(deletedAt('2000-01-01T00:00:00Z')), 'APPROVED');
  });

  test('cannot change the labels of the code', () => {
    const { write } = register(storedRecords.absent, request(), { ...manual, joinedBy: approving });
    assert.ok(write);
    const update = updateInfo(
      { kind: 'record', revision: 1, state: write },
      computeInfo('node-1', { rack: 'mine', a: 'b' }),
      at,
    );
    assert.deepEqual(update.write?.Muster?.Labels, { rack: 'b7' });
    const view = nodeView(update.write ?? write, 'UNKNOWN', undefined, undefined, undefined);
    assert.equal(view.Info.Labels?.rack, 'b7');
    assert.equal(view.Info.Labels?.a, 'b');
  });
});

describe('a registration', () => {
  const rows: [From, RegistrationPolicy, AnswerCode, Membership | undefined, 'announced' | 'quiet'][] = [
    ['absent', manual, 'registered', 'PENDING', 'announced'],
    ['absent', automatic, 'registered', 'APPROVED', 'announced'],
    ['deleted', manual, 'registered', 'PENDING', 'announced'],
    ['deleted', automatic, 'registered', 'APPROVED', 'announced'],
    ['none', manual, 'registered', 'PENDING', 'announced'],
    ['none', automatic, 'registered', 'APPROVED', 'announced'],
    ['PENDING', manual, 'reconnected', 'PENDING', 'quiet'],
    ['PENDING', automatic, 'reconnected', 'PENDING', 'quiet'],
    ['APPROVED', manual, 'reconnected', 'APPROVED', 'quiet'],
    ['APPROVED', automatic, 'reconnected', 'APPROVED', 'quiet'],
    ['REJECTED', manual, 'rejected', 'REJECTED', 'quiet'],
    ['REJECTED', automatic, 'rejected', 'REJECTED', 'quiet'],
    ['requester', manual, 'conflict', undefined, 'quiet'],
    ['requester', automatic, 'conflict', undefined, 'quiet'],
    ['unreadable', manual, 'unavailable', undefined, 'quiet'],
    ['unreadable', automatic, 'unavailable', undefined, 'quiet'],
  ];
  for (const [from, policy, code, membership, announced] of rows) {
    test(`of a node that is ${from}, approval ${policy.manualApproval ? 'by hand' : 'automatic'}: ${code}`, () => {
      for (const muster of [true, false]) {
        const outcome = register(storedRecords[from], request(muster), policy);
        assert.equal(outcome.code, code);
        assert.equal(outcome.accepted, code === 'registered' || code === 'reconnected');
        assert.equal(outcome.write?.Membership, membership);
        assert.equal(outcome.change !== undefined, announced === 'announced');
        if (!outcome.write) continue;
        const { Session, Instance, BootID, Version, RegisteredAt } = outcome.write.Muster ?? {};
        assert.deepEqual(
          [Session, Instance, BootID, Version, RegisteredAt],
          muster ? ['s-new', 'i-9', 'b-9', '0.1.0', at] : [undefined, undefined, undefined, undefined, at],
        );
        if (outcome.change) {
          assert.deepEqual(outcome.change, {
            Kind: 'registered',
            Revision: 0,
            At: at,
            Previous: '',
            Current: membership,
            Actor: 'node-1',
          });
        }
      }
    });
  }

  test('has the reasons that Bacalhau peers compare', () => {
    const reason = (from: From) => register(storedRecords[from], request(), manual).reason;
    assert.equal(reason('absent'), 'node registered');
    assert.equal(reason('APPROVED'), 'node reconnected');
    assert.equal(reason('REJECTED'), 'node has been rejected');
  });

  test('stores neither what is free, queued or running now, nor that a node was connected', () => {
    const connected = record('node-1', 'APPROVED', { Connection: 'CONNECTED' });
    const before: StoredRecord = { kind: 'record', revision: 7, state: connected };
    if (connected.ConnectionState) connected.ConnectionState.Status = 'CONNECTED';
    for (const from of [storedRecords.absent, before]) {
      const { write } = register(from, request(), manual);
      assert.deepEqual(write?.Info.ComputeNodeInfo.AvailableCapacity, {});
      assert.deepEqual(write?.Info.ComputeNodeInfo.QueueCapacity, {});
      assert.equal(write?.Info.ComputeNodeInfo.RunningExecutions, 0);
      assert.deepEqual(write?.Info.ComputeNodeInfo.MaxCapacity, { CPU: 4, Memory: 8e9 });
      assert.equal(write?.Connection, 'DISCONNECTED');
      assert.equal(write?.ConnectionState?.Status, 'DISCONNECTED');
    }
  });

  test('of a node on the roll replaces its information, and a difference is announced', () => {
    const moved = request(true, computeInfo('node-1', { zone: 'b' }));
    const { write, change } = register(storedRecords.APPROVED, moved, manual);
    assert.deepEqual(write?.Info.Labels, { zone: 'b' });
    assert.equal(change?.Kind, 'updated');
    assert.deepEqual([change?.Previous, change?.Current], ['APPROVED', 'APPROVED']);
  });

  test('of a rejected node opens a session and changes nothing else', () => {
    const moved = request(true, computeInfo('node-1', { zone: 'b' }));
    const { write } = register(storedRecords.REJECTED, moved, manual);
    assert.deepEqual(write?.Info.Labels, { zone: 'a' });
    assert.equal(write?.Muster?.Session, 's-new');
  });

  test("keeps the operator's decision", () => {
    const decision = { reason: 'mine', actor: 'ann' };
    const decided = approveNode(storedRecords.PENDING, 'node-1', decision, at).write;
    assert.ok(decided);
    const { write } = register({ kind: 'record', revision: 8, state: decided }, request(), manual);
    assert.deepEqual(write?.Muster?.Decision, { Action: 'approve', Reason: 'mine', Actor: 'ann', At: at });
  });

  for (const type of ['Requester', ''] as const) {
    test(`of the type "${type}" is refused, whatever the store holds`, () => {
      const info = { ...computeInfo('node-1'), NodeType: type };
      for (const from of ['absent', 'deleted', 'PENDING', 'APPROVED', 'REJECTED', 'requester'] as const) {
        const outcome = register(storedRecords[from], { Info: info }, manual);
        assert.equal(outcome.code, 'not_compute');
        assert.equal(outcome.write, undefined);
      }
    });
  }

  test('with too much information is refused', () => {
    const withLabel = (length: number) =>
      request(false, computeInfo('node-1', { a: '', long: 'x'.repeat(length) }));
    const { write } = register(storedRecords.absent, withLabel(0), manual);
    const empty = Buffer.byteLength(JSON.stringify(write?.Info ?? ''));
    assert.equal(register(storedRecords.absent, withLabel(maxInfoBytes - empty), manual).code, 'registered');
    assert.equal(
      register(storedRecords.absent, withLabel(maxInfoBytes - empty + 1), manual).code,
      'malformed',
    );
    assert.equal(
      updateInfo(storedRecords.APPROVED, withLabel(maxInfoBytes - empty + 1).Info, at).code,
      'malformed',
    );
    // Some characters take six bytes, because they are escaped as in Go.
    assert.equal(
      register(storedRecords.absent, request(false, computeInfo('node-1', { a: '<'.repeat(5_000) })), manual)
        .code,
      'malformed',
    );
  });
});

describe('an information update', () => {
  const rows: [From, AnswerCode][] = [
    ['absent', 'handshake_required'],
    ['deleted', 'deleted'],
    ['unreadable', 'unavailable'],
    ['PENDING', 'known'],
    ['APPROVED', 'known'],
    ['REJECTED', 'rejected'],
  ];
  for (const [from, code] of rows) {
    test(`of a node that is ${from}: ${code}`, () => {
      const outcome = updateInfo(storedRecords[from], computeInfo('node-1', { zone: 'b' }), at);
      assert.equal(outcome.code, code);
      assert.equal(outcome.accepted, code === 'known');
      const before = storedRecords[from];
      if (code !== 'known' || before.kind !== 'record') return assert.equal(outcome.write, undefined);
      assert.deepEqual(outcome.write?.Info.Labels, { zone: 'b' });
      assert.equal(outcome.write?.Membership, before.state.Membership);
      assert.deepEqual(outcome.write?.Muster, before.state.Muster);
      assert.equal(outcome.change?.Kind, 'updated');
    });
  }

  test('without a difference is not written', () => {
    const info = computeInfo('node-1');
    const otherOrder = {
      ...info,
      Labels: { zone: 'a' },
      SupportedProtocols: ['bprotocol/v2'],
      ComputeNodeInfo: {
        ...info.ComputeNodeInfo,
        ExecutionEngines: ['wasm', 'docker'],
        AvailableCapacity: { CPU: 1 },
        EnqueuedExecutions: 9,
      },
    };
    for (const same of [info, otherOrder])
      assert.equal(updateInfo(storedRecords.APPROVED, same, at).write, undefined);
    const labels: StoredRecord = {
      kind: 'record',
      revision: 1,
      state: record('node-1', 'APPROVED', { Info: computeInfo('node-1', { a: '1', b: '2' }) }),
    };
    assert.equal(updateInfo(labels, computeInfo('node-1', { b: '2', a: '1' }), at).write, undefined);
  });

  test('that differs in one member is written', () => {
    const info = computeInfo('node-1');
    const differing = [
      { ...info, Labels: null },
      { ...info, Hostname: 'elsewhere' },
      { ...info, SupportedProtocols: ['bprotocol/v2', 'ncl/v1'] },
      { ...info, ComputeNodeInfo: { ...info.ComputeNodeInfo, MaxCapacity: { CPU: 5, Memory: 8e9 } } },
      { ...info, ComputeNodeInfo: { ...info.ComputeNodeInfo, ExecutionEngines: ['docker'] } },
      { ...info, BacalhauVersion: { ...info.BacalhauVersion, GitVersion: 'v1.0.1' } },
    ];
    for (const each of differing) assert.ok(updateInfo(storedRecords.APPROVED, each, at).write);
  });

  test('of another type is refused', () => {
    const outcome = updateInfo(
      storedRecords.APPROVED,
      { ...computeInfo('node-1'), NodeType: 'Requester' },
      at,
    );
    assert.equal(outcome.code, 'not_compute');
    assert.equal(outcome.write, undefined);
  });

  test('of an unknown node is refused, and the answer says what the node has to do', () => {
    assert.equal(
      unknownNode(storedRecords.absent, 'node-1').reason,
      'node node-1 not connected - handshake required',
    );
    assert.equal(unknownNode(storedRecords.deleted, 'node-1').reason, 'node was deleted');
  });
});
