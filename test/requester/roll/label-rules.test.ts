// Tests the rule of labels of the control plane: case by case, and by a model of what operators and nodes may do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { LabelChange } from '../../../agent/protocol/label.ts';
import type { NodeState } from '../../../agent/protocol/node-state.ts';
import { nodeView } from '../../../agent/requester/directory/node-view.ts';
import { labelNode } from '../../../agent/requester/roll/label-rules.ts';
import { register, updateInfo } from '../../../agent/requester/roll/membership.ts';
import type { StoredRecord } from '../../../agent/requester/roll/stored-record.ts';
import { at, computeInfo, record } from '../samples.ts';
import { type From, storedRecords } from './stored-records.ts';

const ann = { reason: 'moved', actor: 'ann', claimedActor: 'ann@desk' };
const stored = (state: NodeState): StoredRecord => ({ kind: 'record', revision: 8, state });
const view = (state: NodeState) => nodeView(state, 'UNKNOWN', undefined, undefined, undefined);

function labelled(state: NodeState, labels: LabelChange, decision = ann) {
  const { write, change } = labelNode(labels)(stored(state), 'node-1', decision, at);
  assert.ok(typeof write === 'object');
  return { state: write, change };
}

for (const [from, outcome] of [
  ['absent', 'not_found'],
  ['deleted', 'not_found'],
  ['none', undefined],
  ['PENDING', undefined],
  ['APPROVED', undefined],
  ['REJECTED', undefined],
  ['requester', 'conflict'],
  ['unreadable', 'bad_state'],
] satisfies [From, string | undefined][])
  test(`a label of a node that is ${from}: ${outcome ?? 'ok'}`, () => {
    const decide = () => labelNode({ rack: 'b7' })(storedRecords[from], 'node-1', ann, at);
    if (outcome) assert.throws(decide, { name: 'MusterError', code: outcome });
    else assert.equal(decide().change?.Kind, 'labelled');
  });

test('labels are stronger than those of the node, say where they come from, and give the own value back', () => {
  const before = record('node-1', 'APPROVED', {
    Info: computeInfo('node-1', { zone: 'a', disk: 'ssd' }),
    Muster: { JoinCode: 'c1', Labels: { rack: 'b6', site: 'fra' } },
  });
  const { state, change } = labelled(before, { zone: 'z', rack: 'b7', site: 'fra' });
  assert.deepEqual(state.Info, before.Info, 'what the node sent stays');
  assert.deepEqual(change?.Labels, { zone: 'z', rack: 'b7' }, 'and not what was so already');
  assert.deepEqual(change?.PreviousLabels, { zone: null, rack: 'b6' });
  const shown = view(state);
  assert.deepEqual(shown.Info.Labels, { zone: 'z', disk: 'ssd', rack: 'b7', site: 'fra' });
  const byAnn = { Actor: 'ann', ClaimedActor: 'ann@desk', Reason: 'moved', At: at };
  assert.deepEqual(shown.Muster.LabelOrigins, [
    { Label: 'rack', ...byAnn },
    { Label: 'site', Actor: '', Reason: '', JoinCode: 'c1' },
    { Label: 'zone', ...byAnn, Own: 'a' },
  ]);
  const back = view(labelled(state, { zone: null, rack: null }).state);
  assert.deepEqual(back.Info.Labels, { zone: 'a', disk: 'ssd', site: 'fra' });
  assert.equal(
    view(labelled(labelled(before, { rack: null }).state, { site: null }).state).Muster.LabelOrigins,
    undefined,
  );
});

test('what changes nothing is refused, and says why', () => {
  const state = record('node-1', 'APPROVED', { Muster: { Labels: { rack: 'b7' } } });
  for (const [labels, message] of [
    [{ rack: 'b7' }, 'node node-1 has these labels already'],
    [{ rack: 'b7', none: null }, 'node node-1 has these labels already'],
    [{ none: null }, 'no operator has set the label none of node node-1'],
    [{ toString: null }, 'no operator has set the label toString of node node-1'],
    [{ zone: null }, 'the node itself sends the label zone of node node-1'],
  ] as const)
    assert.throws(() => labelled(state, labels), { code: 'conflict', message });
});

test('a node has at most 64 labels of the control plane; one that has more may lose some', () => {
  const many = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, 'v']));
  const full = record('node-1', 'APPROVED', { Muster: { Labels: many(64) } });
  assert.throws(() => labelled(full, { more: 'v' }), { code: 'conflict', message: /65 labels.*allowed: 64/ });
  labelled(full, { more: 'v', k0: null });
  labelled(record('node-1', 'APPROVED', { Muster: { Labels: many(80) } }), { k0: null });
});

test('the labels of one change have their room in a record beside the changes that wait', () => {
  const long = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, '💥'.repeat(127)]));
  const node = record('node-1', 'APPROVED');
  assert.throws(() => labelled(node, long(4)), {
    code: 'conflict',
    message: /take 2\d\d\d bytes; allowed at once: 2048/,
  });
  const { state } = labelled(node, long(3));
  const { change } = labelled(
    state,
    Object.fromEntries(Object.keys(long(3)).map(key => [key, 'x'.repeat(200)])),
  );
  assert.equal(change?.PreviousLabels, undefined, 'the values before are left out');
  assert.ok(change?.Labels);
});

test('labels, and why they were set, leave room in a record for later decisions', () => {
  const why = { ...ann, reason: 'm'.repeat(1_024) };
  let state = record('node-1', 'APPROVED');
  const fill = () => {
    for (let index = 0; index < 64; index++) state = labelled(state, { [`k${index}`]: 'v' }, why).state;
  };
  assert.throws(fill, {
    code: 'conflict',
    message:
      /^the labels of node node-1 would take 1[67]\d\d\d bytes, with who set them and why; allowed: 16384$/,
  });
  state = labelled(state, { k0: 'with a short reason' }).state;
  labelled(state, { k1: null }, why);
  const short = Object.fromEntries(Array.from({ length: 64 }, (_, index) => [`label-${index}`, 'value']));
  labelled(record('node-1', 'APPROVED'), short);

  const [Label, Reason] = ['of an earlier version', 'm'.repeat(1_024)];
  const origins = Array.from({ length: 40 }, () => ({ Label, Reason, Actor: 'ann', At: at }));
  const larger = record('node-1', 'APPROVED', { Muster: { Labels: { rack: 'b7' }, LabelOrigins: origins } });
  labelled(larger, { rack: null });
  assert.throws(() => labelled(larger, { more: 'v' }), { code: 'conflict' });
});

test('an operation that has labelled does not do it again', () => {
  const operation = '019ac9d2-7c1e-7b3a-9f0e-5d2c8a41b6f7';
  const state = record('node-1', 'APPROVED', { Muster: { Operations: [`labelled ${operation}`] } });
  assert.deepEqual(labelNode({ rack: 'b7' })(stored(state), 'node-1', { ...ann, operation }, at), {});
});

test('whatever operators and the node do, an operator’s label counts until an operator removes it', () => {
  const key = fc.constantFrom('zone', 'rack', 'constructor', 'a.b/c');
  const labels = fc.dictionary(key, fc.constantFrom('1', '2', ''), { maxKeys: 4 });
  const change = fc.dictionary(key, fc.constantFrom('1', '2', null), { minKeys: 1, maxKeys: 4 });
  const step = fc.oneof(
    fc.record({ kind: fc.constant('label' as const), change }),
    fc.record({ kind: fc.constantFrom('register' as const, 'update' as const), labels }),
  );
  fc.assert(
    fc.property(fc.array(step), steps => {
      let state: NodeState = record('node-1', 'APPROVED', { Muster: { Session: 's' } });
      let own: Record<string, string> = { zone: 'a' };
      const set = new Map<string, string>();
      for (const [index, each] of steps.entries()) {
        const policy = { manualApproval: true, now: at, session: `s${index}`, publicKey: undefined };
        if (each.kind === 'label') {
          const isNew = Object.entries(each.change).some(([key, value]) => (set.get(key) ?? null) !== value);
          if (!isNew) {
            assert.throws(() => labelled(state, each.change), { code: 'conflict' });
            continue;
          }
          state = labelled(state, each.change).state;
          for (const [key, value] of Object.entries(each.change))
            if (value === null) set.delete(key);
            else set.set(key, value);
        } else {
          own = each.labels;
          const Info = computeInfo('node-1', own);
          const { write } =
            each.kind === 'update'
              ? updateInfo(stored(state), Info, at)
              : register(stored(state), { Info, Muster: undefined }, policy);
          if (write) state = write;
        }
        const { Info, Muster } = view(state);
        assert.deepEqual(
          new Map(Object.entries(Info.Labels ?? {})),
          new Map([...Object.entries(own), ...set]),
        );
        assert.deepEqual(new Set(Muster.LabelOrigins?.map(({ Label }) => Label)), new Set(set.keys()));
      }
    }),
  );
});
