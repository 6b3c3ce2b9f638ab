// What somebody else has decided about a node since it was shown.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RollCordon, RollLabel, RollRow } from '../../../agent/protocol/roll-rows.ts';
import { meanwhile } from '../../../agent/web/decide/meanwhile.ts';
import { rollRow } from '../../support/roll-rows.ts';

const cordon = (at: number, more: Partial<RollCordon> = {}): RollCordon => ({
  reason: '',
  actor: 'ada',
  at,
  until: null,
  drain: 'draining',
  deadline: null,
  ...more,
});
const label = (key: string, value: string, from: RollLabel['from'] = 'operator'): RollLabel => ({
  key,
  value,
  from,
  by: from === 'operator' ? 'ada' : '',
});
const decision = { action: 'reject', reason: '', actor: 'ada', at: 5 };

const cases: [before: Partial<RollRow>, now: Partial<RollRow> | undefined, text: string][] = [
  [{}, { heardAt: 9, figuresAt: 9, status: 'UNHEALTHY' }, ''],
  [{}, undefined, 'not on the roll any more'],
  [{}, { approval: 'REJECTED', decision }, 'rejected by ada meanwhile'],
  [{}, { fingerprint: 'KEY' }, 'its key is another one now: KEY'],
  [{}, { cordon: cordon(1) }, 'cordoned by ada meanwhile'],
  [{ cordon: cordon(1) }, { cordon: cordon(2) }, 'its cordon changed by ada meanwhile'],
  [{ cordon: cordon(1) }, { cordon: cordon(1, { drain: 'drained' }) }, ''],
  [{ cordon: cordon(1) }, {}, 'its cordon has ended meanwhile'],
  [{ labels: [label('a', '1', 'node')] }, { labels: [label('a', '2', 'node'), label('b', '1', 'node')] }, ''],
  [{ labels: [label('a', '1', 'node')] }, { labels: [label('a', '1')] }, 'labelled a=1 by ada meanwhile'],
  [{ labels: [label('a', '1')] }, { labels: [label('a', '2')] }, 'labelled a=2 by ada meanwhile'],
  [{ labels: [label('a', '1')] }, {}, 'its label a was removed meanwhile'],
  [
    {},
    { cordon: cordon(1), labels: [label('a', '2')] },
    'cordoned by ada meanwhile; labelled a=2 by ada meanwhile',
  ],
];
for (const [before, now, text] of cases)
  test(`what is told is ${JSON.stringify(text)}`, () => {
    assert.equal(meanwhile(rollRow('n', before), now && rollRow('n', now)), text);
  });
