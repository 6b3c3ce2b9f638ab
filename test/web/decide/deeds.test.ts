// What can be decided about which nodes, the requests and commands for it, and what takes it back.
import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import type { RollRow } from '../../../agent/protocol/roll-rows.ts';
import { carryOut } from '../../../agent/web/decide/carry-out.ts';
import {
  type Action,
  commandOf,
  decisionAbout,
  deeds,
  noWish,
  takeBack,
} from '../../../agent/web/decide/deeds.ts';
import { readLabels } from '../../../agent/web/decide/label-text.ts';
import { readWish } from '../../../agent/web/decide/typed-wish.ts';
import { AskError } from '../../../agent/web/feed/ask.ts';
import { rollRow } from '../../support/roll-rows.ts';

const pending = rollRow('n-1', { approval: 'PENDING' });
const approved = rollRow('n-2');
const rejected = rollRow('n-3', { approval: 'REJECTED' });
const cordon: RollRow['cordon'] = {
  reason: 'disk swap',
  actor: 'ada',
  at: 1,
  until: null,
  drain: null,
  deadline: null,
};
const cordoned = rollRow('n-4', { cordon });
const requester = rollRow('head', { type: 'Requester' });
const noTyped = { reason: '', labels: '', forText: '', deadline: '', id: '' };

describe('what can be decided', () => {
  const cases: [Action, RollRow, why: string | undefined][] = [
    ['approve', pending, undefined],
    ['approve', approved, 'already approved'],
    ['approve', rejected, undefined],
    ['reject', rejected, 'already rejected'],
    ['cordon', cordoned, 'already cordoned'],
    ['uncordon', cordoned, undefined],
    ['uncordon', approved, 'not cordoned'],
    ['drain', rejected, 'rejected'],
    ['drain', cordoned, undefined],
    ['delete', requester, 'a requester'],
    ['label', requester, 'a requester'],
  ];
  for (const [action, row, why] of cases)
    it(`${action} ${row.id}: ${why ?? 'yes'}`, () => {
      assert.equal(deeds[action].leaveOut(row), why);
    });
});

describe('the request', () => {
  it('rests on what was shown: the membership, and the key that was compared', () => {
    assert.deepEqual(decisionAbout(pending, 'approve', { ...noWish, reason: 'compared' }), {
      id: 'n-1',
      body: {
        Action: 'approve',
        Message: 'compared',
        Actor: '',
        Exact: true,
        ShownMembership: 'PENDING',
        Fingerprint: pending.fingerprint,
      },
    });
    const { body } = decisionAbout(rollRow('n', { fingerprint: '' }), 'reject', noWish);
    assert.equal('Fingerprint' in body, false);
  });

  it('rests on the cordon and the labels that were shown where it is about them', () => {
    const at = (row: RollRow, action: Action) => decisionAbout(row, action, noWish).body.ShownCordonAt;
    for (const action of ['cordon', 'drain', 'uncordon'] as const)
      assert.deepEqual(
        [at(approved, action), at(cordoned, action)],
        ['', '1970-01-01T00:00:00.001Z'],
        action,
      );
    assert.equal(at(cordoned, 'approve'), undefined);
    const labels: RollRow['labels'] = [
      { key: 'rack', value: 'b1', from: 'code', by: 'jc-1' },
      { key: 'zone', value: 'eu', from: 'node', by: '' },
      { key: 'other', value: 'x', from: 'operator', by: 'ada' },
    ];
    const wish = { ...noWish, labels: { rack: 'b7', zone: 'us', fresh: null } };
    const { ShownLabels } = decisionAbout(rollRow('n', { labels }), 'label', wish).body;
    assert.deepEqual(ShownLabels, { rack: 'b1', zone: null, fresh: null });
  });

  it('has the times and labels of the wish, and only where they belong', () => {
    const wish = { ...noWish, labels: { rack: 'b7' }, forSeconds: 60, deadlineSeconds: 30 };
    const drain = decisionAbout(approved, 'drain', wish).body;
    assert.deepEqual([drain.ForSeconds, drain.DeadlineSeconds, drain.Labels], [60, 30, undefined]);
    const cordonOnly = decisionAbout(approved, 'cordon', wish).body;
    assert.deepEqual([cordonOnly.ForSeconds, cordonOnly.DeadlineSeconds], [60, undefined]);
    const label = decisionAbout(approved, 'label', wish).body;
    assert.deepEqual([label.ForSeconds, label.Labels], [undefined, { rack: 'b7' }]);
  });
});

test('each action has a command that does the same', () => {
  const wish = {
    ...noWish,
    reason: "it's late",
    labels: { rack: 'b7', spare: null },
    forText: '4h',
    deadlineText: '2h',
  };
  const [a, b] = [rollRow('a', { fingerprint: '' }), rollRow('b')];
  assert.equal(commandOf('approve', [a, b], noWish), 'muster node approve a b');
  assert.equal(commandOf('reject', [a], wish), "muster node reject a -m 'it'\\''s late'");
  assert.equal(
    commandOf('drain', [a], wish),
    "muster node drain a --for 4h --deadline 2h -m 'it'\\''s late'",
  );
  assert.equal(commandOf('label', [b], { ...wish, reason: '' }), 'muster node label b rack=b7 spare-');
  assert.equal(commandOf('uncordon', [b], wish), 'muster node uncordon b');
  const dashed = commandOf('reject', [a], { ...wish, reason: '--yes $(reboot)' });
  assert.equal(dashed, "muster node reject a --message='--yes $(reboot)'");
});

test('the command of a decision about one node rests on the same key as the request', () => {
  for (const action of ['approve', 'reject', 'delete'] as const) {
    const command = commandOf(action, [pending], noWish);
    assert.equal(command, `muster node ${action} n-1 --fingerprint ${pending.fingerprint}`);
    assert.equal(decisionAbout(pending, action, noWish).body.Fingerprint, pending.fingerprint);
  }
});

describe('what takes a decision back', () => {
  const now = Date.parse('2026-11-29T08:00:00Z');
  const back = (row: RollRow, action: Action, wish = noWish) =>
    takeBack({ row, action, wish, operation: 'op-1' }, now)?.body;
  it('is refused when somebody has decided about the node since, except where it has left the roll', () => {
    for (const action of ['approve', 'cordon', 'drain', 'label'] as const)
      assert.equal(back(approved, action)?.ShownOperation, 'op-1', action);
    assert.equal(back(approved, 'delete')?.ShownOperation, undefined);
  });
  it('lets a cordon that comes back end when it would have ended', () => {
    const ending = { ...cordon, until: now + 7_200_000, deadline: now + 600_000 };
    const only = back(rollRow('n', { cordon: ending }), 'uncordon');
    assert.deepEqual([only?.Action, only?.ForSeconds, only?.DeadlineSeconds], ['cordon', 7_200, undefined]);
    const drained = back(rollRow('n', { cordon: { ...ending, drain: 'draining' } }), 'uncordon');
    assert.deepEqual([drained?.Action, drained?.ForSeconds, drained?.DeadlineSeconds], ['drain', 7_200, 600]);
    const late = back(rollRow('n', { cordon: { ...ending, until: now - 1 } }), 'uncordon');
    assert.equal(late, undefined);
  });
  it('gives back no cordon and no label that it could not give back whole', () => {
    const drain = { ...cordon, until: now + 7_200_000, deadline: now + 600_000, drain: 'draining' as const };
    const again = (more: Partial<typeof drain>, of: Partial<RollRow> = {}) =>
      back(rollRow('n', { cordon: { ...drain, ...more }, ...of }), 'uncordon')?.Action;
    assert.equal(again({}), 'drain');
    assert.equal(again({ deadline: now }), undefined);
    assert.equal(again({ until: now + 599_999 }), undefined);
    assert.equal(again({}, { approval: 'REJECTED' }), undefined);
    assert.equal(again({ reason: 'a\ufffdb' }), undefined);
    const labels: RollRow['labels'] = [{ key: 'rack', value: 'b\ufffd1', from: 'operator', by: 'ada' }];
    const relabelled = (key: string) =>
      back(rollRow('n', { labels }), 'label', { ...noWish, labels: { [key]: 'x' } })?.Action;
    assert.deepEqual([relabelled('rack'), relabelled('zone')], [undefined, 'label']);
  });
  it('rejects an approved node, and approves a rejected one only if it was approved before', () => {
    assert.equal(back(pending, 'approve')?.Action, 'reject');
    assert.equal(back(approved, 'reject')?.Action, 'approve');
    assert.equal(back(pending, 'reject'), undefined);
  });
  it('ends a cordon, and gives one back with its reason', () => {
    assert.equal(back(approved, 'cordon')?.Action, 'uncordon');
    assert.equal(back(approved, 'drain')?.Action, 'uncordon');
    assert.equal(back(cordoned, 'drain'), undefined);
    assert.deepEqual(
      [back(cordoned, 'uncordon')?.Action, back(cordoned, 'uncordon')?.Message],
      ['cordon', 'disk swap'],
    );
  });
  it('gives labels their values from before, or removes them', () => {
    const labels: RollRow['labels'] = [
      { key: 'rack', value: 'b1', from: 'operator', by: 'ada' },
      { key: 'zone', value: 'eu', from: 'node', by: '' },
    ];
    const wish = { ...noWish, labels: { rack: 'b7', zone: 'us', fresh: 'x' } };
    assert.deepEqual(back(rollRow('n', { labels }), 'label', wish)?.Labels, {
      rack: 'b1',
      zone: null,
      fresh: null,
    });
  });
  it('brings a deleted node back', () => {
    assert.equal(back(approved, 'delete')?.Action, 'undelete');
  });
});

describe('what is typed', () => {
  it('a node is deleted only when its id is typed, and many when their number is', () => {
    const wish = (id: string, rows: RollRow[]) => readWish({ ...noTyped, id }, deeds.delete, rows);
    assert.equal(typeof wish('n-1', [pending]), 'object');
    assert.equal(typeof wish('n-2', [pending]), 'string');
    assert.equal(typeof wish('2', [pending, approved]), 'object');
    assert.equal(typeof wish('', [pending, approved]), 'string');
  });
  it('times are read as on the command line', () => {
    const wish = (forText: string, deadline: string) =>
      readWish({ ...noTyped, forText, deadline }, deeds.drain, []);
    assert.deepEqual(wish('4h', '90m'), {
      ...noWish,
      forText: '4h',
      forSeconds: 14_400,
      deadlineText: '90m',
      deadlineSeconds: 5400,
    });
    for (const [forText, deadline] of [
      ['soon', ''],
      ['1h', '2h'],
      ['0s', ''],
    ] as const)
      assert.equal(typeof wish(forText, deadline), 'string');
  });
  it('labels are set and removed', () => {
    assert.deepEqual(readLabels(' rack=b7, spare- '), { rack: 'b7', spare: null });
    assert.deepEqual(readLabels('a='), { a: '' });
    for (const text of ['rack', 'a=1 a=2', '-=x', ' =x'])
      assert.equal(typeof readLabels(text), 'string', text);
  });
});

describe('many decisions', () => {
  const decisions = Array.from({ length: 20 }, (_, index) =>
    decisionAbout(rollRow(`n-${index}`), 'cordon', noWish),
  );

  it('are carried out a few at a time, and each says what became of it', async () => {
    let underWay = 0;
    let most = 0;
    let done = 0;
    const outcomes = await carryOut(
      decisions,
      () => done++,
      async ({ id }) => {
        most = Math.max(most, ++underWay);
        await Promise.resolve();
        underWay--;
        if (id === 'n-7') throw new AskError(409, 'somebody was faster', 'look again');
      },
    );
    assert.equal(done, 20);
    assert.ok(most > 1 && most <= 6, String(most));
    assert.deepEqual(
      outcomes.map(({ id }) => id),
      decisions.map(({ id }) => id),
    );
    assert.deepEqual(
      outcomes.flatMap(({ id, fault }) => (fault ? [[id, fault]] : [])),
      [['n-7', { message: 'somebody was faster', hint: 'look again', isUnknown: false }]],
    );
    assert.equal(new Set(outcomes.map(({ operation }) => operation)).size, 20);
  });

  it('are sent again under the same operation when their answer was lost, and once only', async () => {
    const sent: string[] = [];
    const outcomes = await carryOut(decisions.slice(0, 1), undefined, async (_decision, operation) => {
      sent.push(operation);
      if (sent.length < 5) throw new AskError(0, 'the requester does not answer');
    });
    assert.equal(sent.length, 2);
    assert.equal(sent[0], sent[1]);
    assert.equal(outcomes[0]?.fault?.isUnknown, true);
    assert.match(outcomes[0]?.fault?.hint ?? '', new RegExp(`muster explain ${sent[0]}`));
  });
});
