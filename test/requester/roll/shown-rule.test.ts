// Tests the rule that a decision about a selection counts only for nodes that are still as they were shown.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { newOperation } from '../../../agent/protocol/operation.ts';
import { readFilter } from '../../../agent/requester/api/node-query.ts';
import { cordonNode, drainNode, uncordonNode } from '../../../agent/requester/roll/cordon-rules.ts';
import { approveNode, deleteNode, type Shown } from '../../../agent/requester/roll/decisions.ts';
import { type Hearing, onlyAsShown } from '../../../agent/requester/roll/shown-rule.ts';
import type { StoredRecord } from '../../../agent/requester/roll/stored-record.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { at, computeInfo, record } from '../samples.ts';
import { openRoll } from './roll-fixture.ts';
import { storedRecords } from './stored-records.ts';

const monthMs = 30 * 86_400_000;

const decidedBy = (Actor: string): StoredRecord => ({
  kind: 'record',
  revision: 8,
  state: record('node-1', 'REJECTED', {
    Muster: { Decision: { Action: 'reject', Reason: '', Actor, At: at } },
  }),
});

const chosenBy = (parameters: string) => readFilter(new URLSearchParams(parameters));

const labelled: StoredRecord = {
  kind: 'record',
  revision: 8,
  state: record('node-1', 'PENDING', { Muster: { Labels: { rack: 'b7' } } }),
};

const origin = (Label: string, Actor: string) => ({ Label, Actor, Reason: '', At: at });
const given: StoredRecord = {
  kind: 'record',
  revision: 8,
  state: record('node-1', 'APPROVED', {
    Muster: {
      Labels: { rack: 'b7', zone: 'eu', turned: 'a\u202eb', empty: '' },
      LabelOrigins: [origin('rack', 'ada'), origin('turned', 'ada'), origin('empty', 'ada')],
    },
  }),
};

const drainedAt = '2026-07-31T12:00:00Z';
const withCordon: StoredRecord = {
  kind: 'record',
  revision: 8,
  state: record('node-1', 'APPROVED', {
    Muster: {
      Cordon: { Reason: '', Actor: 'ada', At: at, Drain: { At: at, DrainedAt: drainedAt } },
    },
  }),
};
const sameTime = new Date(at).toISOString();

describe('a decision that rests on what was shown', () => {
  const rows: [
    name: string,
    StoredRecord,
    Shown,
    silenceMs: number | undefined,
    error: RegExp | undefined,
  ][] = [
    ['as it was', storedRecords.PENDING, { membership: 'PENDING' }, undefined, undefined],
    [
      'rejected',
      decidedBy('ada'),
      { membership: 'PENDING' },
      undefined,
      /^node node-1 was rejected by ada meanwhile$/,
    ],
    [
      'rejected by nobody',
      decidedBy(''),
      { membership: 'PENDING' },
      1,
      /^node node-1 was rejected meanwhile$/,
    ],
    ['new', storedRecords.PENDING, { membership: 'APPROVED' }, 1, /^node node-1 is not APPROVED any more$/],
    ['of no membership', storedRecords.none, { membership: 'APPROVED' }, 1, /is not APPROVED any more$/],
    ['silent', storedRecords.PENDING, { silentForMs: monthMs }, monthMs, undefined],
    ['heard', storedRecords.PENDING, { silentForMs: monthMs }, monthMs - 1, /heard within the last 30 days$/],
    ['never heard', storedRecords.PENDING, { silentForMs: monthMs }, undefined, /was never heard/],
    [
      'chosen by its health',
      storedRecords.PENDING,
      { isChosen: chosenBy('filter-status=unknown') },
      1,
      undefined,
    ],
    [
      'chosen by the other health',
      storedRecords.PENDING,
      { isChosen: chosenBy('filter-status=unhealthy') },
      1,
      /^node node-1 does not match the selection any more$/,
    ],
    ['chosen by its label', labelled, { isChosen: chosenBy('labels=rack%3Db7') }, 1, undefined],
    ['of another label', labelled, { isChosen: chosenBy('labels=rack%3Db8') }, 1, /does not match/],
    ['in good condition', labelled, { isChosen: chosenBy('condition=disk-full') }, 1, /does not match/],
    ['as free as it was', given, { cordonAt: '' }, 1, undefined],
    ['cordoned as it was', withCordon, { cordonAt: sameTime }, 1, undefined],
    ['cordoned now', withCordon, { cordonAt: '' }, 1, /^node node-1 was cordoned by ada meanwhile$/],
    [
      'cordoned otherwise',
      withCordon,
      { cordonAt: '2026-07-01T00:00:00Z' },
      1,
      /^the cordon of node node-1 was changed by ada meanwhile$/,
    ],
    ['not cordoned', given, { cordonAt: at }, 1, /^the cordon of node node-1 has ended meanwhile$/],
    ['labelled as it was', given, { labels: { rack: 'b7', zone: 'eu', spare: null } }, 1, undefined],
    ['labelled with a text that turns', given, { labels: { turned: 'a\ufffdb' } }, 1, undefined],
    [
      'labelled otherwise',
      given,
      { labels: { zone: 'eu', rack: 'b1' } },
      1,
      /^the label rack of node node-1 was set to "b7" by ada meanwhile$/,
    ],
    [
      'labelled by its code',
      given,
      { labels: { zone: null } },
      1,
      /zone of node node-1 was set to "eu" mean/,
    ],
    ['labelled with nothing', given, { labels: { empty: null } }, 1, /empty of node node-1 was set to "" by/],
    ['not labelled', given, { labels: { spare: '' } }, 1, /^the label spare of node node-1 was removed mean/],
    ['unreadable', storedRecords.unreadable, { membership: 'PENDING' }, 1, undefined],
    ['not shown', decidedBy('ada'), {}, 1, undefined],
  ];
  for (const [name, stored, shown, silenceMs, message] of rows)
    test(`about a node that is ${name}: ${message ? 'refused' : 'carried out'}`, () => {
      const rule = onlyAsShown(deleteNode, { silenceOf: () => silenceMs, healthOf: () => 'UNKNOWN' });
      const decide = () => rule(stored, 'node-1', { reason: '', actor: 'eve', shown }, at);
      if (message) assert.throws(decide, { name: 'MusterError', code: 'conflict', message });
      else assert.equal(decide().write, 'deleted');
    });

  test('takes nothing back when somebody has decided since', async () => {
    const clock = new FakeClock();
    const { roll } = await openRoll(new FakeBroker(clock), clock);
    await roll.register({ Info: computeInfo('node-1', {}), Muster: { Version: '0.1.0' } });
    const operations = [1, 2, 3, 4].map(n =>
      newOperation(clock.now(), `00000000-0000-4000-8000-00000000000${n}`),
    );
    const [first, second, third, fourth] = operations;
    const hearing: Hearing = { silenceOf: () => undefined, healthOf: () => 'HEALTHY' };
    const by = (actor: string, operation = '', shown: Shown = {}) => ({
      reason: '',
      actor,
      operation,
      shown,
    });
    await roll.decide('node-1', by('ada', first), onlyAsShown(cordonNode({}), hearing));
    await roll.decide('node-1', by('eve', second), onlyAsShown(drainNode({}), hearing));
    const back = onlyAsShown(uncordonNode, hearing);
    await assert.rejects(roll.decide('node-1', by('ada', third, { operation: first ?? '' }), back), {
      code: 'conflict',
      message: 'somebody else has decided about node node-1 meanwhile',
    });
    const undo = by('eve', fourth, { operation: second ?? '' });
    await roll.decide('node-1', undo, back);
    await roll.decide('node-1', undo, back);
  });

  test('is no conflict with itself when it is repeated', async () => {
    const clock = new FakeClock();
    const { roll } = await openRoll(new FakeBroker(clock), clock);
    await roll.register({ Info: computeInfo('node-1', {}), Muster: { Version: '0.1.0' } });
    const operation = newOperation(clock.now(), '00000000-0000-4000-8000-000000000001');
    const decision = { reason: '', actor: 'eve', operation, shown: { membership: 'PENDING' } } as const;
    const rule = onlyAsShown(approveNode, { silenceOf: () => undefined, healthOf: () => 'HEALTHY' });
    await roll.decide('node-1', decision, rule);
    await roll.decide('node-1', decision, rule);
    await assert.rejects(roll.decide('node-1', { ...decision, operation: undefined }, rule), {
      message: /^node node-1 was approved by eve meanwhile$/,
    });
  });
});
