// The rules of the membership table, row by row.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AnswerCode } from '../../../agent/protocol/answers.ts';
import type { Membership } from '../../../agent/protocol/node-state.ts';
import {
  decide,
  type Known,
  maxInfoBytes,
  maxReason,
  ownRecord,
  type RegistrationPolicy,
  register,
  remove,
  unknownNode,
  updateInfo,
} from '../../../agent/requester/roll/membership.ts';
import { at, computeInfo, record, requesterNode } from '../samples.ts';

const manual: RegistrationPolicy = { manualApproval: true, roomForPending: true, now: at, session: 's-new' };
const automatic: RegistrationPolicy = { ...manual, manualApproval: false };

const stands = (membership: Membership | ''): Known => ({
  kind: 'record',
  revision: 7,
  state: record('node-1', membership, {
    Muster: { Session: 's-old', RegisteredAt: '2025-12-31T00:00:00Z', Operation: 'o-1' },
  }),
});
const known = {
  absent: { kind: 'absent', revision: 0 },
  deleted: { kind: 'deleted', revision: 9 },
  PENDING: stands('PENDING'),
  APPROVED: stands('APPROVED'),
  REJECTED: stands('REJECTED'),
  /** Bacalhau writes a membership that it does not know as an empty one. */
  none: stands(''),
  requester: {
    kind: 'record',
    revision: 3,
    state: record('node-1', 'APPROVED', { Info: requesterNode('node-1') }),
  },
  unreadable: { kind: 'unreadable', revision: 5 },
} satisfies Record<string, Known>;
type From = keyof typeof known;

const registration = (muster = true) => ({
  info: computeInfo('node-1'),
  ...(muster ? { sender: { instance: 'i-9', bootId: 'b-9', version: '0.1.0' } } : {}),
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
        const verdict = register(known[from], registration(muster), policy);
        assert.equal(verdict.code, code);
        assert.equal(verdict.accepted, code === 'registered' || code === 'reconnected');
        assert.equal(verdict.write?.Membership, membership);
        assert.equal(verdict.change !== undefined, announced === 'announced');
        if (!verdict.write) continue;
        const { Session, Instance, BootID, Version, RegisteredAt } = verdict.write.Muster ?? {};
        assert.deepEqual(
          [Session, Instance, BootID, Version, RegisteredAt],
          muster ? ['s-new', 'i-9', 'b-9', '0.1.0', at] : [undefined, undefined, undefined, undefined, at],
        );
        if (verdict.change) {
          assert.deepEqual(verdict.change, {
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

  test('answers in the words that Bacalhau peers compare', () => {
    const reason = (from: From) => register(known[from], registration(), manual).reason;
    assert.equal(reason('absent'), 'node registered');
    assert.equal(reason('APPROVED'), 'node reconnected');
    assert.equal(reason('REJECTED'), 'node has been rejected');
  });

  test('keeps nothing of what is free, queued or running now, nor that a node was connected', () => {
    const connected = record('node-1', 'APPROVED', { Connection: 'CONNECTED' });
    const before: Known = { kind: 'record', revision: 7, state: connected };
    if (connected.ConnectionState) connected.ConnectionState.Status = 'CONNECTED';
    for (const from of [known.absent, before]) {
      const { write } = register(from, registration(), manual);
      assert.deepEqual(write?.Info.ComputeNodeInfo.AvailableCapacity, {});
      assert.deepEqual(write?.Info.ComputeNodeInfo.QueueCapacity, {});
      assert.equal(write?.Info.ComputeNodeInfo.RunningExecutions, 0);
      assert.deepEqual(write?.Info.ComputeNodeInfo.MaxCapacity, { CPU: 4, Memory: 8e9 });
      assert.equal(write?.Connection, 'DISCONNECTED');
      assert.equal(write?.ConnectionState?.Status, 'DISCONNECTED');
    }
  });

  test('of a node on the roll replaces its information and says so when it changed', () => {
    const asked = { ...registration(), info: computeInfo('node-1', { zone: 'b' }) };
    const { write, change } = register(known.APPROVED, asked, manual);
    assert.deepEqual(write?.Info.Labels, { zone: 'b' });
    assert.equal(change?.Kind, 'updated');
    assert.deepEqual([change?.Previous, change?.Current], ['APPROVED', 'APPROVED']);
  });

  test('of a rejected node opens a session and changes nothing else', () => {
    const asked = { ...registration(), info: computeInfo('node-1', { zone: 'b' }) };
    const { write } = register(known.REJECTED, asked, manual);
    assert.deepEqual(write?.Info.Labels, { zone: 'a' });
    assert.equal(write?.Muster?.Session, 's-new');
  });

  test('keeps the decision that stands', () => {
    const decided = decide(
      known.PENDING,
      'node-1',
      { action: 'approve', reason: 'mine', actor: 'ann' },
      at,
    ).write;
    const { write } = register({ kind: 'record', revision: 8, state: decided }, registration(), manual);
    assert.deepEqual(write?.Muster?.Decision, { Action: 'approve', Reason: 'mine', Actor: 'ann', At: at });
  });

  for (const type of ['Requester', ''] as const) {
    test(`of the type "${type}" is refused, whatever is known`, () => {
      const info = { ...computeInfo('node-1'), NodeType: type };
      for (const from of ['absent', 'deleted', 'PENDING', 'APPROVED', 'REJECTED', 'requester'] as const) {
        const verdict = register(known[from], { info }, manual);
        assert.equal(verdict.code, 'not_compute');
        assert.equal(verdict.write, undefined);
      }
    });
  }

  test('is refused when too many are pending, unless the node is on the roll or need not wait', () => {
    const full = { ...manual, roomForPending: false };
    for (const from of ['absent', 'deleted', 'none'] as const) {
      const verdict = register(known[from], registration(), full);
      assert.equal(verdict.code, 'full');
      assert.match(verdict.reason, /requester\.maxPending/);
      assert.equal(verdict.write, undefined);
    }
    for (const from of ['PENDING', 'APPROVED', 'REJECTED'] as const) {
      assert.notEqual(register(known[from], registration(), full).code, 'full');
    }
    assert.equal(
      register(known.absent, registration(), { ...full, manualApproval: false }).code,
      'registered',
    );
  });

  test('with more information than a record holds is refused', () => {
    const withLabel = (length: number) => ({
      info: computeInfo('node-1', { a: '', long: 'x'.repeat(length) }),
    });
    const { info } = withLabel(0);
    const empty = Buffer.byteLength(
      JSON.stringify(register(known.absent, { info }, manual).write?.Info ?? ''),
    );
    assert.equal(register(known.absent, withLabel(maxInfoBytes - empty), manual).code, 'registered');
    assert.equal(register(known.absent, withLabel(maxInfoBytes - empty + 1), manual).code, 'malformed');
    assert.equal(updateInfo(known.APPROVED, withLabel(maxInfoBytes - empty + 1).info, at).code, 'malformed');
    // Escaped as Go does, a short text can be a long record.
    assert.equal(
      register(known.absent, { info: computeInfo('node-1', { a: '<'.repeat(5_000) }) }, manual).code,
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
      const verdict = updateInfo(known[from], computeInfo('node-1', { zone: 'b' }), at);
      assert.equal(verdict.code, code);
      assert.equal(verdict.accepted, code === 'known');
      const before = known[from];
      if (code !== 'known' || before.kind !== 'record') return assert.equal(verdict.write, undefined);
      assert.deepEqual(verdict.write?.Info.Labels, { zone: 'b' });
      assert.equal(verdict.write?.Membership, before.state.Membership);
      assert.deepEqual(verdict.write?.Muster, before.state.Muster);
      assert.equal(verdict.change?.Kind, 'updated');
    });
  }

  test('that says nothing new is not written', () => {
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
      assert.equal(updateInfo(known.APPROVED, same, at).write, undefined);
    const labels: Known = {
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
    for (const each of differing) assert.ok(updateInfo(known.APPROVED, each, at).write);
  });

  test('of another type is refused', () => {
    const verdict = updateInfo(known.APPROVED, { ...computeInfo('node-1'), NodeType: 'Requester' }, at);
    assert.equal(verdict.code, 'not_compute');
    assert.equal(verdict.write, undefined);
  });

  test('of a node nobody knows is told what to do', () => {
    assert.equal(
      unknownNode(known.absent, 'node-1').reason,
      'node node-1 not connected - handshake required',
    );
    assert.equal(unknownNode(known.deleted, 'node-1').reason, 'node was deleted');
  });
});

describe('a decision', () => {
  const rows: [From, 'approve' | 'reject', Membership | 'not_found' | 'conflict' | 'bad_state'][] = [
    ['absent', 'approve', 'not_found'],
    ['absent', 'reject', 'not_found'],
    ['deleted', 'approve', 'not_found'],
    ['deleted', 'reject', 'not_found'],
    ['none', 'approve', 'APPROVED'],
    ['none', 'reject', 'REJECTED'],
    ['PENDING', 'approve', 'APPROVED'],
    ['PENDING', 'reject', 'REJECTED'],
    ['APPROVED', 'approve', 'conflict'],
    ['APPROVED', 'reject', 'REJECTED'],
    ['REJECTED', 'approve', 'APPROVED'],
    ['REJECTED', 'reject', 'conflict'],
    ['requester', 'approve', 'conflict'],
    ['requester', 'reject', 'conflict'],
    ['unreadable', 'approve', 'bad_state'],
    ['unreadable', 'reject', 'bad_state'],
  ];
  for (const [from, action, to] of rows) {
    test(`to ${action} a node that is ${from}: ${to}`, () => {
      const carryOut = () => decide(known[from], 'node-1', { action, reason: 'because', actor: 'ann' }, at);
      if (to === 'not_found' || to === 'conflict' || to === 'bad_state') {
        return assert.throws(carryOut, { name: 'MusterError', code: to });
      }
      const { write, change } = carryOut();
      const before = known[from];
      assert.ok(before.kind === 'record');
      const Decision = { Action: action, Reason: 'because', Actor: 'ann', At: at };
      assert.deepEqual(write, {
        ...before.state,
        Membership: to,
        Muster: { ...before.state.Muster, Decision },
      });
      assert.deepEqual(change, {
        Kind: to === 'APPROVED' ? 'approved' : 'rejected',
        Revision: 0,
        At: at,
        Previous: before.state.Membership,
        Current: to,
        Reason: 'because',
        Actor: 'ann',
      });
    });
  }

  const deletions: [From, 'gone' | 'not_found' | 'conflict'][] = [
    ['absent', 'not_found'],
    ['deleted', 'not_found'],
    ['none', 'gone'],
    ['PENDING', 'gone'],
    ['APPROVED', 'gone'],
    ['REJECTED', 'gone'],
    ['requester', 'conflict'],
    ['unreadable', 'gone'],
  ];
  for (const [from, to] of deletions) {
    test(`to delete a node that is ${from}: ${to}`, () => {
      const carryOut = () => remove(known[from], 'node-1', 'old', 'ann', at);
      if (to !== 'gone') return assert.throws(carryOut, { name: 'MusterError', code: to });
      const before = known[from];
      assert.deepEqual(carryOut(), {
        Kind: 'deleted',
        Revision: 0,
        At: at,
        Previous: before.kind === 'record' ? before.state.Membership : '',
        Current: '',
        Reason: 'old',
        Actor: 'ann',
      });
    });
  }

  test('says what stands against it in a sentence', () => {
    const decision = { action: 'approve', reason: '', actor: 'ann' } as const;
    assert.throws(() => decide(known.absent, 'node-7', decision, at), { message: 'node not found: node-7' });
    assert.throws(() => decide(known.APPROVED, 'node-1', decision, at), {
      message: 'node node-1 already approved',
    });
    assert.throws(() => decide(known.requester, 'node-0', { ...decision, action: 'reject' }, at), {
      message: 'node node-0 is a requester: it cannot reject itself',
    });
  });

  test('with a longer reason than a record holds is refused; at the limit it is kept', () => {
    const withReason = (length: number) =>
      decide(known.PENDING, 'n', { action: 'reject', reason: 'x'.repeat(length), actor: 'a' }, at);
    assert.equal(withReason(maxReason).write.Muster?.Decision?.Reason.length, maxReason);
    assert.throws(() => withReason(maxReason + 1), { code: 'usage' });
    assert.throws(() => remove(known.PENDING, 'n', 'x'.repeat(maxReason + 1), 'a', at), { code: 'usage' });
  });
});

describe("the requester's own record", () => {
  const info = requesterNode('node-1');

  test('is made, approved, at its first start, after a deletion, and over one that cannot be read', () => {
    for (const from of [known.absent, known.deleted, known.unreadable]) {
      const made = ownRecord(from, info, at);
      assert.equal(made?.write.Membership, 'APPROVED');
      assert.deepEqual(made?.change, {
        Kind: 'registered',
        Revision: 0,
        At: at,
        Previous: '',
        Current: 'APPROVED',
        Actor: 'node-1',
      });
    }
  });

  test('stands as it is when nothing changed, and follows what did', () => {
    assert.equal(ownRecord(known.requester, info, at), undefined);
    const moved = ownRecord(known.requester, { ...info, Hostname: 'elsewhere' }, at);
    assert.equal(moved?.write.Info.Hostname, 'elsewhere');
    assert.equal(moved?.change.Kind, 'updated');
  });

  test('is approved again when a Bacalhau operator rejected it', () => {
    const rejected = record('node-1', 'REJECTED', { Info: info });
    const healed = ownRecord({ kind: 'record', revision: 2, state: rejected }, info, at);
    assert.equal(healed?.write.Membership, 'APPROVED');
    assert.deepEqual([healed?.change.Kind, healed?.change.Previous], ['approved', 'REJECTED']);
  });

  test('is refused under the id of a compute node', () => {
    assert.throws(() => ownRecord(known.PENDING, info, at), { code: 'conflict' });
  });
});
