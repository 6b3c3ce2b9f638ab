// Tests what is kept of a node that goes, and how it comes back: case by case, and by a model of what may happen to a node.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { writeJson } from '../../../agent/protocol/json.ts';
import type { NodeState } from '../../../agent/protocol/node-state.ts';
import { maxTombstoneBytes } from '../../../agent/protocol/tombstone.ts';
import { cordonNode } from '../../../agent/requester/roll/cordon-rules.ts';
import {
  approveNode,
  type DecisionRule,
  deleteNode,
  rejectNode,
} from '../../../agent/requester/roll/decisions.ts';
import { register, unknownNode } from '../../../agent/requester/roll/membership.ts';
import { readEntry, write } from '../../../agent/requester/roll/store.ts';
import { isForgotten, type StoredRecord } from '../../../agent/requester/roll/stored-record.ts';
import { forgetNode, tombstoneFor, undeleteNode } from '../../../agent/requester/roll/tombstones.ts';
import { MusterError } from '../../../agent/system/errors.ts';
import type { Bucket } from '../../../agent/transport/port.ts';
import { at, computeInfo, record } from '../samples.ts';
import { storedRecords } from './stored-records.ts';

const ada = { reason: '', actor: 'ada', claimedActor: 'ada@desk' };
const key = `N${'A'.repeat(55)}`;
const freely = () => undefined;
const silent = () => false;
const monthMs = 30 * 24 * 3_600_000;

/** Carries out a rule as the record writer does, and returns what is stored then. */
async function carriedOut(from: StoredRecord, rule: DecisionRule, decision = ada, now = at) {
  const { write: state, change } = rule(from, 'node-1', decision, now);
  assert.ok(state !== undefined);
  const revision = from.revision + 1;
  if (typeof state === 'object') return { kind: 'record', revision, state } satisfies StoredRecord;
  const known = { publicKey: key, lastSeenAt: Date.parse(at) - monthMs };
  const tombstone = tombstoneFor(from, change, state === 'forgotten', known);
  let headers: Record<string, string> = {};
  const bucket = {
    purge: async (_key: string, _revision: number, given: Record<string, string>) => {
      headers = given;
      return revision;
    },
  } as unknown as Bucket;
  const request = { id: 'node-1', state, changes: [change], revision: from.revision, tombstone };
  await write(bucket, { ...request, operation: 'o', incarnation: 'i' });
  const entry = {
    key: 'node-1',
    value: new Uint8Array(),
    revision,
    marker: true,
    headers,
    created: new Date(at),
  };
  return readEntry(entry);
}

const former: StoredRecord = {
  kind: 'record',
  revision: 7,
  state: record('node-1', 'APPROVED', {
    Info: { ...computeInfo('node-1'), Hostname: 'gpu-40' },
    Muster: {
      Session: 's-1',
      RegisteredAt: '2025-12-31T00:00:00Z',
      FirstRegisteredAt: '2025-06-01T00:00:00Z',
      JoinCode: 'code-1',
      Labels: { rack: 'b7' },
      LabelOrigins: [{ Label: 'rack', Reason: '', Actor: 'ada', At: '2025-06-03T00:00:00Z' }],
      Decision: { Action: 'approve', Reason: 'mine', Actor: 'ada', At: '2025-06-02T00:00:00Z' },
      Cordon: { Reason: 'disk', Actor: 'ada', At: '2025-12-30T00:00:00Z' },
    },
  }),
};
const again = (stored: StoredRecord, manualApproval = true) =>
  register(
    stored,
    { Info: computeInfo('node-1'), Muster: undefined },
    { manualApproval, now: at, session: 's-2', publicKey: key },
  );

describe('a node that goes', () => {
  for (const [how, rule] of [
    ['deleted', deleteNode],
    ['forgotten', forgetNode(1, () => monthMs, silent)],
  ] as const) {
    test(`and was ${how} leaves what was known of it, comes back PENDING with that, and can be brought back`, async () => {
      const gone = await carriedOut(former, rule, { ...ada, reason: 'too old' });
      assert.equal(isForgotten(gone), how === 'forgotten');
      const { code, write: returned } = again(gone);
      assert.equal(code, 'registered');
      const { Former } = returned?.Muster ?? {};
      assert.equal(returned?.Membership, 'PENDING');
      assert.deepEqual(Former, {
        Membership: 'APPROVED',
        Decision: former.kind === 'record' ? former.state.Muster?.Decision : undefined,
        Labels: { rack: 'b7' },
        LabelOrigins: [{ Label: 'rack', Reason: '', Actor: 'ada', At: '2025-06-03T00:00:00Z' }],
        Cordon: { Reason: 'disk', Actor: 'ada', At: '2025-12-30T00:00:00Z' },
        JoinCode: 'code-1',
        PublicKey: key,
        Hostname: 'gpu-40',
        FirstRegisteredAt: '2025-06-01T00:00:00Z',
        RegisteredAt: '2025-12-31T00:00:00Z',
        LastSeenAt: new Date(Date.parse(at) - monthMs).toISOString(),
        ...(how === 'forgotten' ? { Forgotten: true } : {}),
        GoneAt: at,
        Actor: 'ada',
        ClaimedActor: 'ada@desk',
        Reason: 'too old',
      });
      const back = await carriedOut(gone, undeleteNode(freely));
      assert.ok(back.kind === 'record' && former.kind === 'record');
      assert.equal(back.state.Membership, 'APPROVED');
      const { Labels, Decision, Cordon, PublicKey, Session } = back.state.Muster ?? {};
      const before = former.state.Muster;
      assert.deepEqual([Labels, Decision, Cordon], [before?.Labels, before?.Decision, before?.Cordon]);
      assert.deepEqual([PublicKey, Session], [key, undefined]);
      // It registers again by itself, and stays approved.
      assert.equal(again(back).write?.Membership, 'APPROVED');
    });
  }

  test('and was forgotten is told to register; one that was deleted is told so', async () => {
    const told = async (rule: DecisionRule) => unknownNode(await carriedOut(former, rule), 'node-1').code;
    assert.equal(await told(forgetNode(1, () => 1, silent)), 'handshake_required');
    assert.equal(await told(deleteNode), 'deleted');
  });

  test('is not forgotten when it is rejected, a requester, never heard, or was heard since', () => {
    const rows: [StoredRecord, number | undefined, string][] = [
      [storedRecords.REJECTED, monthMs, 'conflict'],
      [storedRecords.requester, monthMs, 'conflict'],
      [storedRecords.APPROVED, undefined, 'conflict'],
      [storedRecords.APPROVED, monthMs - 1, 'conflict'],
      [storedRecords.absent, monthMs, 'not_found'],
      [storedRecords.deleted, monthMs, 'not_found'],
      [storedRecords.unreadable, monthMs, 'bad_state'],
    ];
    for (const [stored, silenceMs, code] of rows)
      assert.throws(() => forgetNode(monthMs, () => silenceMs, silent)(stored, 'node-1', ada, at), { code });
    const healthy = () => true;
    const rule = forgetNode(1, () => 1, healthy);
    assert.throws(() => rule(storedRecords.APPROVED, 'node-1', ada, at), { code: 'conflict' });
  });

  test('is not brought back when it is there, nothing is known of it, or its key may not be its own', async () => {
    const undelete = undeleteNode(freely);
    assert.throws(() => undelete(storedRecords.APPROVED, 'node-1', ada, at), { code: 'conflict' });
    assert.throws(() => undelete(storedRecords.deleted, 'node-1', ada, at), { code: 'conflict' });
    assert.throws(() => undelete(storedRecords.absent, 'node-1', ada, at), { code: 'not_found' });
    const gone = await carriedOut(former, deleteNode);
    const banned = new MusterError('conflict', 'banned');
    const refuse = (_name: string, shown: string) => {
      assert.equal(shown, key);
      throw banned;
    };
    assert.throws(() => undeleteNode(refuse)(gone, 'node-1', ada, at), banned);
  });

  test('leaves a tombstone of bounded size, whatever operators wrote, and it is read again', async () => {
    const texts = fc.string({ unit: 'binary', maxLength: 1024 });
    const labels = fc.dictionary(fc.stringMatching(/^[a-z0-9./_-]{1,60}$/), fc.string({ maxLength: 200 }), {
      maxKeys: 60,
    });
    await fc.assert(
      fc.asyncProperty(texts, texts, labels, async (reason, because, Labels) => {
        const { state } = former as Extract<StoredRecord, { kind: 'record' }>;
        const Decision = { Action: 'approve', Reason: because, Actor: reason.slice(0, 256), At: at };
        const Cordon = { Reason: because, Actor: because.slice(0, 256), At: at };
        const Muster = { ...state.Muster, Labels, Decision, Cordon };
        const stored: StoredRecord = { kind: 'record', revision: 7, state: { ...state, Muster } };
        const gone = await carriedOut(
          stored,
          forgetNode(1, () => 1, silent),
          { ...ada, reason },
        );
        assert.ok(gone.kind === 'deleted' && gone.tombstone && isForgotten(gone));
        assert.ok(Buffer.byteLength(writeJson(gone.tombstone)) <= maxTombstoneBytes);
        assert.ok(
          gone.tombstone.LabelsLost ||
            Object.keys(gone.tombstone.Labels ?? {}).length === Object.keys(Labels).length,
        );
      }),
      { numRuns: 40 },
    );
  });

  test('keeps its history over all that may happen, and never becomes approved by going', async () => {
    const steps = fc.constantFrom('register', 'approve', 'reject', 'cordon', 'delete', 'forget', 'undelete');
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { maxLength: 30 }), async taken => {
        let stored = { kind: 'absent', revision: 0 } as StoredRecord;
        let last: NodeState | undefined;
        for (const step of taken) {
          const before: StoredRecord = stored;
          if (step === 'register') {
            const { write: state } = again(stored);
            if (state) stored = { kind: 'record', revision: stored.revision + 1, state };
            if (before.kind === 'deleted' && stored.kind === 'record') {
              assert.equal(stored.state.Membership, 'PENDING');
              assert.deepEqual(stored.state.Muster?.Former, before.tombstone);
            }
            continue;
          }
          const rules: Record<typeof step, DecisionRule> = {
            approve: approveNode,
            reject: rejectNode,
            cordon: cordonNode({}),
            delete: deleteNode,
            forget: forgetNode(1, () => 2, silent),
            undelete: undeleteNode(freely),
          };
          try {
            stored = await carriedOut(stored, rules[step], { ...ada, reason: step });
          } catch (error) {
            if (!(error instanceof MusterError)) throw error;
            continue;
          }
          if (stored.kind === 'deleted' && before.kind === 'record') {
            const { state }: { state: NodeState } = before;
            assert.ok(step === 'delete' || state.Membership !== 'REJECTED');
            last = state;
          }
          if (step === 'undelete') {
            assert.ok(stored.kind === 'record' && last && before.kind === 'deleted');
            assert.equal(stored.state.Membership, last.Membership);
            assert.deepEqual(stored.state.Muster?.Decision, last.Muster?.Decision);
            assert.deepEqual(stored.state.Muster?.Cordon, last.Muster?.Cordon);
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});
