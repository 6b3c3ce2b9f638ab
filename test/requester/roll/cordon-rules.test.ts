// Tests the rules of cordon, drain and uncordon: case by case, and by a model of what operators, nodes and time may do.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isDraining } from '../../../agent/protocol/cordon.ts';
import type { NodeState } from '../../../agent/protocol/node-state.ts';
import {
  cordonNode,
  drainNode,
  endCordon,
  endDrain,
  uncordonNode,
} from '../../../agent/requester/roll/cordon-rules.ts';
import { approveNode, type DecisionRule, rejectNode } from '../../../agent/requester/roll/decisions.ts';
import { register, updateInfo } from '../../../agent/requester/roll/membership.ts';
import type { StoredRecord } from '../../../agent/requester/roll/stored-record.ts';
import { at, computeInfo, record } from '../samples.ts';
import { type From, storedRecords } from './stored-records.ts';

const ann = { reason: 'disk swap', actor: 'ann', claimedActor: 'ann@desk' };
const later = (ms: number) => new Date(Date.parse(at) + ms).toISOString();
const stored = (state: NodeState): StoredRecord => ({ kind: 'record', revision: 8, state });

function decided(rule: DecisionRule, from: StoredRecord, decision = ann, now = at) {
  const { write, change } = rule(from, 'node-1', decision, now);
  assert.ok(typeof write === 'object');
  return { state: write, change, cordon: write.Muster?.Cordon };
}

describe('a cordon', () => {
  const rows: [
    From,
    'ok' | 'not_found' | 'conflict' | 'bad_state',
    'ok' | 'not_found' | 'conflict' | 'bad_state',
  ][] = [
    ['absent', 'not_found', 'not_found'],
    ['deleted', 'not_found', 'not_found'],
    ['none', 'ok', 'ok'],
    ['PENDING', 'ok', 'ok'],
    ['APPROVED', 'ok', 'ok'],
    ['REJECTED', 'ok', 'conflict'],
    ['requester', 'conflict', 'conflict'],
    ['unreadable', 'bad_state', 'bad_state'],
  ];
  for (const [from, cordon, drain] of rows) {
    test(`of a node that is ${from}: ${cordon}; a drain: ${drain}`, () => {
      for (const [rule, code] of [
        [cordonNode({}), cordon],
        [drainNode({}), drain],
      ] as const) {
        if (code === 'ok') assert.equal(decided(rule, storedRecords[from]).change?.Kind, 'cordoned');
        else assert.throws(() => rule(storedRecords[from], 'node-1', ann, at), { name: 'MusterError', code });
      }
    });
  }

  test('stands in the record with reason, operator and end, and changes nothing else', () => {
    const { state, change, cordon } = decided(cordonNode({ forMs: 7_200_000 }), storedRecords.APPROVED);
    const expected = {
      Reason: 'disk swap',
      Actor: 'ann',
      ClaimedActor: 'ann@desk',
      At: at,
      Until: later(7_200_000),
    };
    assert.deepEqual(cordon, expected);
    const before = storedRecords.APPROVED;
    assert.ok(before.kind === 'record');
    assert.deepEqual(
      { ...state, Muster: { ...state.Muster, Cordon: undefined } },
      {
        ...before.state,
        Muster: { ...before.state.Muster, Cordon: undefined },
      },
    );
    assert.deepEqual(change, {
      Kind: 'cordoned',
      Revision: 0,
      At: at,
      Previous: 'APPROVED',
      Current: 'APPROVED',
      Reason: 'disk swap',
      Actor: 'ann',
      ClaimedActor: 'ann@desk',
      Cordon: { Until: later(7_200_000) },
    });
  });

  test('is changed by another reason or end; what is not given stays as it was', () => {
    const first = decided(cordonNode({ forMs: 60_000 }), storedRecords.APPROVED);
    const reason = decided(
      cordonNode({}),
      stored(first.state),
      { reason: 'memory', actor: 'bob' } as typeof ann,
      later(5),
    );
    assert.deepEqual(reason.cordon, {
      Reason: 'memory',
      Actor: 'bob',
      ClaimedActor: undefined,
      At: later(5),
      Until: later(60_000),
    });
    const end = decided(
      cordonNode({ forMs: 90_000 }),
      stored(reason.state),
      { ...ann, reason: '' },
      later(10),
    );
    assert.deepEqual([end.cordon?.Reason, end.cordon?.Until], ['memory', later(90_010)]);
    const drain = decided(
      drainNode({ deadlineMs: 30_000 }),
      stored(end.state),
      { ...ann, reason: '' },
      later(20),
    );
    assert.deepEqual(drain.cordon?.Drain, { At: later(20), Deadline: later(30_020) });
    assert.deepEqual(drain.change?.Cordon, { Until: later(90_010), Drain: true, Deadline: later(30_020) });
    assert.equal(drain.change?.Reason, 'memory');
    const again = decided(cordonNode({}), stored(drain.state), { ...ann, reason: 'fan' }, later(30));
    assert.deepEqual(again.cordon?.Drain, drain.cordon?.Drain, 'a drain goes on');
  });

  test('that would change nothing is refused, and says what is there', () => {
    const { state } = decided(cordonNode({}), storedRecords.APPROVED);
    for (const reason of ['', 'disk swap'])
      assert.throws(() => cordonNode({})(stored(state), 'node-1', { ...ann, reason }, at), {
        code: 'conflict',
        message: 'node node-1 is already cordoned: disk swap',
      });
    const draining = decided(drainNode({}), stored(state));
    assert.throws(() => drainNode({})(stored(draining.state), 'node-1', ann, at), {
      message: 'node node-1 is already draining: disk swap',
      hint: 'give another reason (-m), end (--for) or deadline (--deadline) to change that; to end it: muster node uncordon node-1',
    });
    assert.throws(() => uncordonNode(storedRecords.APPROVED, 'node-1', ann, at), {
      code: 'conflict',
      message: 'node node-1 is not cordoned',
    });
  });

  test('does not end before the deadline of its drain, unless the drain is over', () => {
    const refused = (until: number, deadline: number) => ({
      code: 'conflict',
      message: `the cordon of node node-1 would end at ${later(until)}, before the deadline of its drain at ${later(deadline)}`,
    });
    const both = { forMs: 60_000, deadlineMs: 60_001 };
    assert.throws(() => drainNode(both)(storedRecords.APPROVED, 'node-1', ann, at), refused(60_000, 60_001));
    const cordoned = decided(cordonNode({ forMs: 60_000 }), storedRecords.APPROVED);
    const drain = drainNode({ deadlineMs: 60_001 });
    assert.throws(() => drain(stored(cordoned.state), 'node-1', ann, later(1)), refused(60_000, 60_002));
    const draining = decided(drain, storedRecords.APPROVED);
    const shorter = cordonNode({ forMs: 59_000 });
    assert.throws(() => shorter(stored(draining.state), 'node-1', ann, at), refused(59_001, 60_001));
    const other = decided(cordonNode({}), stored(draining.state), { ...ann, reason: 'fan' });
    assert.equal(other.cordon?.Reason, 'fan');
    const { write } = endDrain(stored(draining.state), at, later(5));
    assert.ok(write);
    assert.equal(decided(cordonNode({ forMs: 1_000 }), stored(write)).cordon?.Until, later(1_001));
  });

  test('gets a time after the one before, whatever the clock says', () => {
    const { state } = decided(cordonNode({}), storedRecords.APPROVED);
    const behind = decided(uncordonNode, stored(state), ann, later(-86_400_000));
    assert.equal(behind.change?.At, later(1));
    const again = decided(cordonNode({ forMs: 1_000 }), stored(state), ann, later(-86_400_000));
    assert.deepEqual([again.cordon?.At, again.cordon?.Until], [later(1), later(1_001)]);
  });
});

test('the end of a cordon or of a drain counts only for the one that it is about', () => {
  const { state, cordon } = decided(drainNode({ forMs: 60_000 }), storedRecords.APPROVED);
  const until = cordon?.Until ?? '';
  assert.deepEqual(endCordon(stored(state), later(1), 'node-0', later(2)), {});
  assert.deepEqual(endDrain(stored(state), later(1), later(2)), {});
  assert.deepEqual(endCordon(storedRecords.APPROVED, until, 'node-0', at), {});
  assert.deepEqual(endCordon(storedRecords.deleted, until, 'node-0', at), {});
  const drained = endDrain(stored(state), at, later(10));
  assert.equal(drained.change?.Kind, 'drained');
  assert.equal(drained.change?.Actor, 'node-1');
  assert.ok(drained.write);
  assert.deepEqual(endDrain(stored(drained.write), at, later(11)), {}, 'it is told once');
  const ended = endCordon(stored(drained.write), until, 'node-0', later(60_000));
  assert.equal(ended.write?.Muster?.Cordon, undefined);
  assert.deepEqual(
    [ended.change?.Kind, ended.change?.Actor, ended.change?.Reason],
    ['uncordoned', 'node-0', 'its time is over'],
  );
});

test('an operation that has cordoned does not do it again, also after the cordon ended', () => {
  const operation = '019ac9d2-7c1e-7b3a-9f0e-5d2c8a41b6f7';
  const state = record('node-1', 'APPROVED', { Muster: { Operations: [`cordoned ${operation}`] } });
  assert.deepEqual(cordonNode({})(stored(state), 'node-1', { ...ann, operation }, at), {});
  assert.throws(() => uncordonNode(stored(state), 'node-1', { ...ann, operation }, at), { code: 'conflict' });
});

test('whatever operators, the node and time do, a cordon ends only by its end or an operator, and each drain once', () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('cordon' as const),
      forMs: fc.option(fc.integer({ min: 1_000, max: 9_000 }), { nil: undefined }),
    }),
    fc.record({
      kind: fc.constantFrom('drain', 'uncordon', 'idle', 'register', 'update', 'approve', 'reject', 'over'),
    }),
  );
  fc.assert(
    fc.property(
      fc.array(fc.record({ step, clock: fc.integer({ min: -90_000_000, max: 90_000_000 }) })),
      steps => {
        let state: NodeState = record('node-1', 'APPROVED', { Muster: { Session: 's' } });
        let drains = 0;
        let drained = 0;
        for (const [index, { step, clock }] of steps.entries()) {
          const before = state.Muster?.Cordon;
          const now = later(clock + index);
          const decide = (rule: DecisionRule) => {
            try {
              return rule(stored(state), 'node-1', { reason: `r${index}`, actor: 'ann' }, now);
            } catch {
              return {};
            }
          };
          const policy = { manualApproval: true, now, session: `s${index}`, publicKey: undefined };
          const info = computeInfo('node-1', { zone: String(index) });
          const { write } = {
            cordon: () => decide(cordonNode({ forMs: 'forMs' in step ? step.forMs : undefined })),
            drain: () => decide(drainNode({})),
            uncordon: () => decide(uncordonNode),
            approve: () => decide(approveNode),
            reject: () => decide(rejectNode),
            idle: () => endDrain(stored(state), before?.Drain?.At ?? '', now),
            over: () => endCordon(stored(state), before?.Until ?? 'never', 'node-0', now),
            register: () => register(stored(state), { Info: info, Muster: undefined }, policy),
            update: () => updateInfo(stored(state), info, now),
          }[step.kind]();
          if (typeof write === 'object') state = write;
          const after = state.Muster?.Cordon;
          if (isDraining(after) && !before?.Drain) drains++;
          if (before && !isDraining(after) && isDraining(before) && after) drained++;
          if (before && after) assert.ok(Date.parse(after.At) >= Date.parse(before.At));
          if (before && !after) assert.ok(step.kind === 'uncordon' || (step.kind === 'over' && before.Until));
          if (!['cordon', 'drain', 'uncordon', 'idle', 'over'].includes(step.kind))
            assert.deepEqual(after, before);
        }
        assert.ok(drained <= drains);
      },
    ),
  );
});
