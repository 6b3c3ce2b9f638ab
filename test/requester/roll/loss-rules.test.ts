// Tests when the store counts as having lost what was announced of a node.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Membership } from '../../../agent/protocol/node-state.ts';
import { gaveWaySince, isLost } from '../../../agent/requester/roll/loss-rules.ts';
import { rebuiltRecord } from '../../../agent/requester/roll/rebuilt-record.ts';
import { signed } from '../../../agent/requester/roll/store.ts';
import {
  type AnnouncedMembership,
  absentRecord,
  type StoredRecord,
} from '../../../agent/requester/roll/stored-record.ts';
import { record, requesterNode } from '../samples.ts';

/** What a write makes of a node; an empty membership is a deletion. */
type Written = Membership | '' | 'expired';

/** One write of a node's record. A missing incarnation is that of an earlier version. */
interface Write {
  membership: Written;
  incarnation: string | undefined;
  revision: number;
  at: string;
}

const timeOf = (hour: number): string => new Date(Date.UTC(2026, 0, 1, hour)).toISOString();

const write = (membership: Written, incarnation: string | undefined, revision: number): Write => ({
  membership,
  incarnation,
  revision,
  at: timeOf(revision),
});

const announcedOf = ({ membership, incarnation, revision, at }: Write): AnnouncedMembership => ({
  membership: membership === 'expired' ? '' : membership,
  kind: membership === 'expired' ? 'expired' : membership === '' ? 'deleted' : 'updated',
  reason: '',
  actor: 'ann',
  at,
  write: { incarnation, revision, at },
});

function storedOf({ membership, incarnation, revision, at }: Write): StoredRecord {
  const mark = incarnation === undefined ? {} : { incarnation };
  if (membership === '' || membership === 'expired')
    return { kind: membership === '' ? 'deleted' : 'absent', revision, ...mark, at };
  const Muster = { RegisteredAt: at, ...(incarnation === undefined ? {} : { Store: incarnation }) };
  return { kind: 'record', revision, state: record('node-1', membership, { Muster }) };
}

const present = { incarnation: 'i2', manualApproval: true };

describe('a record', () => {
  test('that is missing is lost, unless a registration gives the node the same membership', () => {
    for (const incarnation of ['i1', 'i2', undefined]) {
      const lost = (membership: Membership | '', manualApproval: boolean) =>
        isLost(announcedOf(write(membership, incarnation, 5)), absentRecord, { ...present, manualApproval });
      assert.deepEqual(
        (['APPROVED', 'REJECTED', 'PENDING', ''] as const).map(each => [lost(each, true), lost(each, false)]),
        [
          [true, false],
          [true, true],
          [false, true],
          [true, true],
        ],
      );
    }
  });

  test('that is older than its event is lost, and a newer one is not', () => {
    const cases: [what: string, event: Write, stored: Write, lost: boolean][] = [
      ['an older state', write('REJECTED', 'i2', 9), write('APPROVED', 'i2', 5), true],
      ['an older state of an earlier life', write('REJECTED', 'i1', 9), write('PENDING', 'i1', 5), true],
      ['a change that was not announced', write('APPROVED', 'i2', 5), write('REJECTED', 'i2', 9), false],
      ['an older state that says the same', write('APPROVED', 'i2', 9), write('APPROVED', 'i2', 5), false],
      ['a registration in the present life', write('APPROVED', 'i1', 9), write('PENDING', 'i2', 2), false],
      ['a record from before the event', write('REJECTED', 'i1', 9), write('APPROVED', 'i0', 5), true],
      ['a record from after the event', write('REJECTED', 'i0', 5), write('APPROVED', 'i1', 9), false],
      ['a marker that an older state hides', write('', 'i2', 9), write('APPROVED', 'i2', 5), true],
      ['an approval that an older marker hides', write('APPROVED', 'i2', 9), write('', 'i2', 5), true],
      ['a deletion that was not announced', write('APPROVED', 'i2', 5), write('', 'i2', 9), false],
      ['a record of an earlier version', write('REJECTED', 'i2', 9), write('APPROVED', undefined, 5), true],
      ['a newer one of another program', write('REJECTED', 'i2', 5), write('APPROVED', undefined, 9), false],
      [
        'one before the store was shortened',
        write('REJECTED', 'i1', 9),
        write('PENDING', undefined, 5),
        true,
      ],
      ['an event of an earlier version', write('REJECTED', undefined, 9), write('PENDING', 'i2', 5), false],
    ];
    for (const [what, event, stored, lost] of cases)
      assert.equal(isLost(announcedOf(event), storedOf(stored), present), lost, what);
  });

  test('that was rebuilt and comes back in a later life is lost when something newer was announced', () => {
    for (const [membership, kind] of [
      ['PENDING', 'registered'],
      ['REJECTED', 'rejected'],
    ] as const) {
      const rebuilt = rebuiltRecord('node-1', { ...announcedOf(write(membership, 'i0', 4)), kind });
      assert.ok(rebuilt !== 'deleted');
      const state = signed(rebuilt, { operation: 'o', incarnation: 'i0' });
      const stored: StoredRecord = { kind: 'record', revision: 5, state };
      assert.ok(isLost(announcedOf(write('APPROVED', 'i1', 9)), stored, present), kind);
    }
  });

  test('that Bacalhau wrote is left alone when no revision tells which is newer', () => {
    const stored: StoredRecord = { kind: 'record', revision: 5, state: record('node-1', 'PENDING') };
    assert.equal(isLost(announcedOf(write('REJECTED', 'i1', 9)), stored, present), false);
    assert.equal(isLost(announcedOf(write('REJECTED', 'i2', 9)), stored, present), true);
  });

  test('that cannot be read, or is of a requester, is not lost', () => {
    const event = announcedOf(write('REJECTED', 'i2', 9));
    assert.equal(isLost(event, { kind: 'unreadable', revision: 5 }, present), false);
    const state = record('node-0', 'APPROVED', { Info: requesterNode() });
    assert.equal(isLost(event, { kind: 'record', revision: 5, state }, present), false);
  });
});

describe('after a node gave way', () => {
  const event = announcedOf(write('expired', 'i2', 9));

  test('nothing is lost when its marker, or every trace of it, is gone', () => {
    for (const stored of [absentRecord, storedOf(write('expired', 'i2', 5))]) {
      assert.equal(isLost(event, stored, present), false);
      assert.equal(gaveWaySince(event, stored, present), false);
    }
  });

  test('an older record counts for nothing, unless an operator had decided about it', () => {
    const judged = (['PENDING', '', 'APPROVED', 'REJECTED'] as const).map(membership => {
      const stored = storedOf(write(membership, 'i2', 5));
      return [gaveWaySince(event, stored, present), isLost(event, stored, present)];
    });
    assert.deepEqual(judged, [
      [true, false],
      [true, false],
      [false, true],
      [false, true],
    ]);
  });

  test('a newer record counts', () => {
    for (const membership of ['PENDING', '', 'APPROVED'] as const) {
      const stored = storedOf(write(membership, 'i2', 10));
      assert.equal(gaveWaySince(event, stored, present), false);
      assert.equal(isLost(event, stored, present), false);
    }
  });
});

test('in any history of writes and lives of the store, exactly an older state that says something else is lost', () => {
  const step = fc.record({
    membership: fc.constantFrom<Written>('PENDING', 'APPROVED', 'REJECTED', '', 'expired'),
    isNewLife: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 1, maxLength: 12 }),
      fc.nat(),
      fc.nat(),
      fc.boolean(),
      (steps, announcedAt, storedAt, isNewNow) => {
        let life = 0;
        let revision = 0;
        const writes = steps.map(({ membership, isNewLife }, hour): Write => {
          if (isNewLife) {
            life++;
            revision = 0;
          }
          return { membership, incarnation: `i${life}`, revision: ++revision, at: timeOf(hour) };
        });
        const announced = announcedAt % writes.length;
        const stored = storedAt % writes.length;
        const [event, entry] = [writes[announced], writes[stored]];
        assert.ok(event && entry);
        const incarnation = `i${isNewNow ? life + 1 : life}`;
        const context = { incarnation, manualApproval: true };
        const lost = isLost(announcedOf(event), storedOf(entry), context);
        const isOver = gaveWaySince(announcedOf(event), storedOf(entry), context);
        // A node that gave way registers as PENDING again, so its marker says the same as such a record.
        const isSame = entry.membership === 'expired' && event.membership === 'PENDING';
        const isOlder = stored < announced && entry.membership !== event.membership && !isSame;
        assert.equal(lost || isOver, isOlder);
        const isDecided = entry.membership === 'APPROVED' || entry.membership === 'REJECTED';
        assert.equal(isOver, isOlder && event.membership === 'expired' && !isDecided);
      },
    ),
    { numRuns: 2000 },
  );
});
