// Tests the replacement of a CA: which nodes it waits for, what it remembers over restarts, and what operators may do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { NodeState } from '../../../agent/protocol/node-state.ts';
import { AuthorityRotation } from '../../../agent/requester/authorities/authority-rotation.ts';
import type { AuthorityPins, AuthorityStore } from '../../../agent/requester/authorities/authority-store.ts';
import { dueAuthority, type Rotation } from '../../../agent/requester/authorities/rotation-file.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { recordLog } from '../../support/log-lines.ts';
import { record, requesterNode } from '../samples.ts';

const pin = (letter: string) => letter.repeat(43);
const act = { actor: 'ada' };

class FakeStore implements AuthorityStore {
  present: AuthorityPins = { present: pin('A'), next: undefined, former: undefined };
  rotation: Rotation | undefined;
  writes = 0;
  isMaking = false;

  pins = async () => ({ ...this.present });
  certificates = async () => ({ present: 'present\n', next: this.present.next && 'next\n' });
  makeNext = async () => {
    assert.ok(!this.isMaking, 'one change at a time');
    this.isMaking = true;
    await Promise.resolve();
    this.isMaking = false;
    this.present.next = pin('B');
    return this.present.next;
  };
  removeNext = async () => {
    this.present.next = undefined;
  };
  removeFormer = async () => {
    this.present.former = undefined;
  };
  readRotation = async () => this.rotation;
  writeRotation = async (rotation: Rotation | undefined) => {
    this.writes++;
    this.rotation = rotation;
  };

  /** Does what a start does with a CA that is due. */
  restart(): void {
    const due = dueAuthority(this.rotation);
    if (due === undefined) return;
    this.present = { present: due, next: undefined, former: this.present.present };
    this.rotation = undefined;
  }
}

async function begin({ isForNodes = true } = {}) {
  const clock = new FakeClock();
  const store = new FakeStore();
  const nodes = new Map<string, NodeState>();
  const { log, lines } = recordLog();
  const events: Record<string, unknown>[] = [];
  const records = { get: (id: string) => nodes.get(id), list: () => nodes.values() };
  const open = async () => {
    const rotation = await AuthorityRotation.open({ store, isForNodes, clock, log });
    rotation.announceBy({ announce: (kind, data) => void events.push({ kind, ...data }) });
    rotation.start(records);
    return rotation;
  };
  /** Puts a node on the roll, as the roll does. */
  const set = (rotation: AuthorityRotation, id: string, membership: 'PENDING' | 'APPROVED' | 'REJECTED') => {
    const state = record(id, membership);
    nodes.set(id, state);
    rotation.onRecord(id, state);
  };
  const remove = (rotation: AuthorityRotation, id: string) => {
    nodes.delete(id);
    rotation.onRemoved(id);
  };
  return { clock, store, nodes, lines, events, open, set, remove };
}

test('the next CA is due when every approved node keeps it, and not while one does not', async () => {
  const { clock, store, open, set, nodes, lines } = await begin();
  nodes.set('node-0', record('node-0', 'APPROVED', { Info: requesterNode('node-0') }));
  const rotation = await open();
  set(rotation, 'a', 'APPROVED');
  set(rotation, 'b', 'APPROVED');
  set(rotation, 'waits', 'PENDING');
  assert.deepEqual(rotation.valid, [pin('A')]);
  await rotation.rotate(false, act);
  assert.deepEqual(
    [rotation.valid, rotation.forNewNodes],
    [
      [pin('A'), pin('B')],
      [pin('A'), pin('B')],
    ],
  );
  assert.deepEqual(rotation.view().MissingNodes, ['a', 'b']);
  rotation.onKept('a', [pin('A'), pin('B')], 1);
  rotation.onKept('b', [pin('A')], 2);
  await clock.advance(1_000);
  assert.equal(dueAuthority(store.rotation), undefined);
  rotation.onKept('b', [pin('B'), pin('A')], 3);
  await clock.advance(1_000);
  assert.equal(dueAuthority(store.rotation), pin('B'));
  assert.match(lines.at(-1)?.message ?? '', /every approved node trusts the next CA; a restart/);
  // A node that is approved now, or that forgot the CA, is waited for again.
  set(rotation, 'waits', 'APPROVED');
  await clock.advance(1_000);
  assert.equal(dueAuthority(store.rotation), undefined);
  rotation.onKept('waits', [pin('B')], 4);
  rotation.onKept('a', undefined, 5);
  await clock.advance(1_000);
  assert.deepEqual([dueAuthority(store.rotation), rotation.view().MissingNodes], [undefined, ['a']]);
});

test('what a node said before counts no more, in whatever order its requests are carried out', async () => {
  const { open, set, remove } = await begin();
  const rotation = await open();
  set(rotation, 'a', 'APPROVED');
  await rotation.rotate(false, act);
  rotation.onKept('a', [pin('A'), pin('B')], 2);
  rotation.onKept('a', [pin('A')], 1);
  assert.deepEqual(rotation.view().MissingNodes, []);
  rotation.onKept('a', [pin('A')], 3);
  rotation.onKept('a', [pin('A'), pin('B')], 2);
  assert.deepEqual(rotation.view().MissingNodes, ['a']);
  // A CA that is made later is another one, and so is a machine that comes back under the id.
  await rotation.forget(pin('B'), act);
  await rotation.rotate(false, act);
  rotation.onKept('a', [pin('B')], 2);
  assert.deepEqual(rotation.view().MissingNodes, []);
  remove(rotation, 'a');
  set(rotation, 'a', 'APPROVED');
  rotation.onKept('a', [pin('B')], 1);
  assert.deepEqual(rotation.view().MissingNodes, []);
});

test('whatever nodes do and whenever the requester restarts, the next CA is due just when no approved node lacks it', async () => {
  const ids = fc.constantFrom('a', 'b', 'c');
  const step = fc.oneof(
    fc.record({ kind: fc.constant('kept' as const), id: ids, has: fc.boolean(), isLate: fc.boolean() }),
    fc.record({ kind: fc.constant('carry out late ones' as const) }),
    fc.record({
      kind: fc.constant('set' as const),
      id: ids,
      to: fc.constantFrom('PENDING' as const, 'APPROVED' as const, 'REJECTED' as const),
    }),
    fc.record({ kind: fc.constant('remove' as const), id: ids }),
    fc.record({ kind: fc.constant('restart' as const) }),
  );
  const runs = fc.asyncProperty(fc.array(step, { maxLength: 30 }), async steps => {
    const { clock, store, open, set, remove, nodes } = await begin();
    let rotation = await open();
    await rotation.rotate(false, act);
    /** What each node said last of what was carried out, and what waits to be carried out. */
    const last = new Map<string, { has: boolean; arrival: number }>();
    let late: { id: string; has: boolean; arrival: number }[] = [];
    const carryOut = (request: (typeof late)[number]) => {
      const { id, has, arrival } = request;
      rotation.onKept(id, has ? [pin('B')] : [pin('A')], arrival);
      if (arrival >= (last.get(id)?.arrival ?? 0)) last.set(id, request);
    };
    let arrivals = 0;
    for (const each of steps) {
      if (each.kind === 'set') set(rotation, each.id, each.to);
      else if (each.kind === 'remove') {
        remove(rotation, each.id);
        last.delete(each.id);
        late = late.filter(({ id }) => id !== each.id);
      } else if (each.kind === 'kept' && nodes.has(each.id)) {
        const request = { id: each.id, has: each.has, arrival: ++arrivals };
        if (each.isLate) late.push(request);
        else carryOut(request);
      } else if (each.kind === 'carry out late ones') {
        late.forEach(carryOut);
        late = [];
      } else if (each.kind === 'restart') {
        await rotation.stop();
        rotation = await open();
        late = [];
      }
      await clock.advance(1_000);
      const lacking = [...nodes].filter(
        ([id, { Membership }]) => Membership === 'APPROVED' && !last.get(id)?.has,
      );
      const expected = lacking.map(([id]) => id).sort();
      assert.deepEqual(rotation.view().MissingNodes, expected);
      assert.equal(dueAuthority(store.rotation) !== undefined, expected.length === 0);
    }
  });
  await fc.assert(runs, { numRuns: 100 });
});

test('many confirmations are written once', async () => {
  const { clock, store, open, set } = await begin();
  const rotation = await open();
  for (let index = 0; index < 1_000; index++) set(rotation, `node-${index}`, 'APPROVED');
  await rotation.rotate(false, act);
  const { writes } = store;
  for (let index = 0; index < 1_000; index++) rotation.onKept(`node-${index}`, [pin('B')], index);
  await clock.advance(1_000);
  assert.equal(store.writes, writes + 1);
  assert.equal(store.rotation?.confirmed.length, 1_000);
});

test('an operator may force it, give it up, and forget the former CA, but not the present one', async () => {
  const { store, open, set, events } = await begin();
  let rotation = await open();
  set(rotation, 'a', 'APPROVED');
  await assert.rejects(rotation.forget(pin('A'), act), { code: 'conflict' });
  await assert.rejects(rotation.forget(pin('Z'), act), { code: 'not_found' });
  await rotation.rotate(false, act);
  await rotation.forget(pin('B'), act);
  assert.deepEqual([rotation.valid, store.rotation, rotation.status], [[pin('A')], undefined, undefined]);
  await rotation.rotate(false, act);
  await rotation.rotate(true, act);
  assert.deepEqual([rotation.view().ForcedBy, rotation.view().Ready], ['ada', true]);
  await rotation.stop();
  store.restart();
  rotation = await open();
  assert.deepEqual([rotation.valid, rotation.forNewNodes], [[pin('B'), pin('A')], [pin('B')]]);
  await assert.rejects(rotation.rotate(false, act), {
    code: 'conflict',
    message: /still trust the former CA/,
  });
  await rotation.forget(pin('A'), act);
  assert.deepEqual(rotation.valid, [pin('B')]);
  assert.deepEqual(events, [
    { kind: 'ca_rotated', actor: 'ada', pin: pin('B'), forced: false },
    { kind: 'ca_forgotten', actor: 'ada', pin: pin('B') },
    { kind: 'ca_rotated', actor: 'ada', pin: pin('B'), forced: false },
    { kind: 'ca_rotated', actor: 'ada', pin: pin('B'), forced: true },
    { kind: 'ca_forgotten', actor: 'ada', pin: pin('A') },
  ]);
});

test('who is told of the CA gets the next one too, from the moment when it is to follow until it does', async () => {
  const { store, open } = await begin();
  await store.makeNext();
  let rotation = await open();
  assert.equal(
    await rotation.certificates(),
    'present\n',
    'nobody has asked for the one that a crash has left',
  );
  await rotation.rotate(false, act);
  assert.equal(await rotation.certificates(), 'present\nnext\n');
  await rotation.stop();
  store.restart();
  rotation = await open();
  assert.equal(await rotation.certificates(), 'present\n');
});

test('two operators at the same time make one next CA', async () => {
  const { open } = await begin();
  const rotation = await open();
  await Promise.all([rotation.rotate(false, act), rotation.rotate(false, act), rotation.rotate(true, act)]);
  assert.deepEqual(rotation.valid, [pin('A'), pin('B')]);
  const forgotten = await Promise.allSettled([
    rotation.forget(pin('B'), act),
    rotation.forget(pin('B'), act),
  ]);
  assert.deepEqual(
    forgotten.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  );
});

test('a CA that only the API uses waits for no node', async () => {
  const { store, open, set } = await begin({ isForNodes: false });
  const rotation = await open();
  set(rotation, 'a', 'APPROVED');
  await rotation.rotate(false, act);
  assert.equal(dueAuthority(store.rotation), pin('B'));
  assert.deepEqual([rotation.valid, rotation.forNewNodes], [[], []], 'nodes are told nothing of it');
  assert.equal(rotation.view().ApiOnly, true);
});

test('a crash while the next CA is made, or given up, leaves nothing that nodes are told of', async () => {
  const { store, open } = await begin();
  // It was made, and the requester was killed before it noted that.
  await store.makeNext();
  let rotation = await open();
  assert.deepEqual([rotation.valid, rotation.status], [[pin('A')], undefined]);
  await rotation.rotate(false, act);
  assert.deepEqual(rotation.valid, [pin('A'), pin('B')]);
  await rotation.stop();
  // It was given up, and the requester was killed before the file of the CA was removed; and the other way round.
  const { rotation: noted } = store;
  store.rotation = undefined;
  rotation = await open();
  assert.deepEqual(rotation.valid, [pin('A')]);
  await rotation.stop();
  store.rotation = noted;
  await store.removeNext();
  rotation = await open();
  assert.deepEqual([rotation.valid, rotation.status], [[pin('A')], undefined]);
  await rotation.stop();
});
