// Tests what a requester says of operations: of what stands, was overtaken or refused, and of what it cannot know.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { type OperationView, operationAnswerSchema } from '../../../agent/protocol/http-operations.ts';
import { newOperation } from '../../../agent/protocol/operation.ts';
import { validate } from '../../../agent/protocol/schema.ts';
import { RequesterFixture } from '../requester-fixture.ts';

type Action = 'approve' | 'reject' | 'delete';

async function begin() {
  const fixture = await RequesterFixture.started();
  await fixture.register('node-1');
  const operation = () => newOperation(fixture.clock.now(), randomUUID());
  const decide = (action: Action, id: string, node = 'node-1', reason: string = action) =>
    fixture.finish(
      fixture.requester.directory[action](node, {
        reason,
        actor: 'ann',
        claimedActor: 'ann@desk',
        operation: id,
      }),
    );
  const explain = async (id: string): Promise<OperationView> => {
    const view = await fixture.finish(fixture.requester.directory.explain(id));
    // It is what a client reads.
    assert.deepEqual(validate(operationAnswerSchema, { Operation: JSON.parse(JSON.stringify(view)) }), {
      Operation: view,
    });
    return view;
  };
  return { fixture, operation, decide, explain };
}

test('a decision stands, with who made it, why, and its event', async () => {
  const { fixture, operation, decide, explain } = await begin();
  const id = operation();
  await decide('approve', id);
  const { State, Decisions, Doubts } = await explain(id);
  const { Event, At, ...said } = Decisions[0] ?? assert.fail('nothing is said');
  assert.deepEqual([State, Decisions.length, Doubts], ['stands', 1, []]);
  assert.deepEqual(said, {
    NodeID: 'node-1',
    Kind: 'approved',
    Stands: true,
    Actor: 'ann',
    ClaimedActor: 'ann@desk',
    Reason: 'approve',
    Fingerprint: '',
    EventWaits: false,
  });
  const event = fixture.events().at(-1);
  assert.deepEqual([Event?.ID, At, event?.data.operation], [event?.id, event?.time, id]);
});

test('a decision is overtaken by the next one about its node, and by a new node of the same id', async () => {
  const { fixture, operation, decide, explain } = await begin();
  const [approval, rejection, deletion] = [operation(), operation(), operation()];
  await decide('approve', approval);
  await decide('reject', rejection);
  const { State, Decisions } = await explain(approval);
  const { Kind, Operation, Actor, Reason } = Decisions[0]?.Later ?? {};
  assert.deepEqual(
    [State, Kind, Operation, Actor, Reason],
    ['overtaken', 'rejected', rejection, 'ann', 'reject'],
  );
  assert.equal((await explain(rejection)).State, 'stands');
  await decide('delete', deletion);
  assert.equal((await explain(rejection)).Decisions[0]?.Later?.Operation, deletion);
  const deleted = await explain(deletion);
  assert.deepEqual([deleted.State, deleted.Decisions[0]?.Kind], ['stands', 'deleted']);
  await fixture.register('node-1');
  const back = await explain(deletion);
  assert.deepEqual([back.State, back.Decisions[0]?.Later?.Kind], ['overtaken', 'registered']);
});

test('a repeated decision is not decided or told again, and explained as the first one', async () => {
  const { fixture, operation, decide, explain } = await begin();
  const id = operation();
  await decide('approve', id);
  await decide('approve', id, 'node-1', 'another reason');
  assert.equal(fixture.announced().filter(each => each === 'node-1 approved').length, 1);
  assert.equal((await explain(id)).Decisions[0]?.Reason, 'approve');
});

test('an operation about several nodes tells of each', async () => {
  const { fixture, operation, decide, explain } = await begin();
  await fixture.register('node-2');
  const id = operation();
  await decide('approve', id);
  await decide('approve', id, 'node-2');
  await decide('reject', operation(), 'node-2');
  const { State, Decisions } = await explain(id);
  assert.equal(State, 'overtaken');
  assert.deepEqual(
    Decisions.map(({ NodeID, Stands }) => `${NodeID} ${Stands}`),
    ['node-1 true', 'node-2 false'],
  );
});

test('a repeated decision is about the same node, also when the beginning of its id means another one by now', async () => {
  const { fixture, operation, decide, explain } = await begin();
  for (const isBan of [false, true]) {
    await fixture.register('gpu-10');
    const id = operation();
    await decide('delete', id, 'gpu');
    await decide('delete', id, 'gpu');
    await fixture.register('gpu-20');
    const decision = { reason: '', actor: 'ann', operation: id, isBan };
    const repeated = fixture.finish(fixture.requester.directory.delete('gpu', decision));
    if (isBan) await assert.rejects(repeated, { code: 'conflict', message: /its key not banned$/ });
    else await repeated;
    assert.equal(fixture.table()[0], 'gpu-20 Compute PENDING UNKNOWN');
    assert.equal((await explain(id)).Decisions.length, 1);
    await fixture.delete('gpu-20');
  }
});

test('a decision for which nobody waits any more is not made, unless it was made before', async () => {
  const { fixture, operation, decide, explain } = await begin();
  const id = operation();
  const give = (action: Action) =>
    fixture.finish(
      fixture.requester.directory[action]('node-1', {
        reason: '',
        actor: 'ann',
        operation: id,
        isGivenUp: () => true,
      }),
    );
  for (const action of ['approve', 'reject', 'delete'] as const)
    await assert.rejects(give(action), { code: 'failed', nothingDone: true });
  assert.equal((await explain(id)).State, 'refused');
  assert.deepEqual(fixture.announced(), ['node-1 registered']);
  await decide('approve', id);
  await give('approve');
  assert.equal((await explain(id)).State, 'stands');
});

test('what was refused is known to the requester that refused it, with its reason', async () => {
  const { operation, decide, explain } = await begin();
  const id = operation();
  await assert.rejects(decide('approve', id, 'node-7'), { code: 'not_found' });
  const { State, Refusals, Decisions } = await explain(id);
  assert.deepEqual([State, Decisions], ['refused', []]);
  assert.deepEqual(
    Refusals.map(({ NodeID, Action, Reason }) => [NodeID, Action, Reason]),
    [['node-7', 'approve', 'node not found: node-7']],
  );
});

test('what nobody has recorded is unknown, whatever time its id names', async () => {
  const { fixture, explain } = await begin();
  for (const at of [fixture.clock.now(), new Date(0), new Date('9999-01-01')]) {
    const { State, Decisions, Doubts } = await explain(newOperation(at, randomUUID()));
    assert.deepEqual([State, Decisions, Doubts], ['unknown', [], []]);
  }
});

test('the event tells also when the record remembers no more, and when the id names a wrong time', async () => {
  const { fixture, operation, decide, explain } = await begin();
  const day = 24 * 3600 * 1000;
  const ids = [-day, day].map(ms => newOperation(new Date(fixture.clock.now().getTime() + ms), randomUUID()));
  await decide('approve', ids[0] ?? '');
  await decide('reject', ids[1] ?? '');
  for (let n = 0; n < 8; n++) await decide(n % 2 === 0 ? 'approve' : 'reject', operation());
  for (const [at, kind] of [
    [0, 'approved'],
    [1, 'rejected'],
  ] as const) {
    const { State, Decisions } = await explain(ids[at] ?? '');
    assert.deepEqual([State, Decisions[0]?.Kind, Decisions[0]?.Later?.Kind], ['overtaken', kind, 'rejected']);
  }
});

test('without an answer of the store nothing is said, but that it cannot be known now', async () => {
  const { fixture, operation, decide, explain } = await begin();
  const id = operation();
  await decide('approve', id);
  await fixture.connection.close();
  await assert.rejects(explain(id), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'unreachable');
    assert.match(
      error.message,
      /^it cannot be known now what became of operation .*; node-0 has heard of it, about node-1$/,
    );
    return true;
  });
});

test('a decision that only met a write of somebody else was not made, and may be made again', async () => {
  const { fixture, operation, decide, explain } = await begin();
  const id = operation();
  fixture.broker.storeFault = (doing, key) =>
    doing === 'put' && key === 'node-1' ? { fault: 'write_under_way' } : undefined;
  await assert.rejects(decide('approve', id), { code: 'failed', nothingDone: true });
  fixture.broker.storeFault = undefined;
  assert.equal((await explain(id)).State, 'refused');
  await decide('approve', id);
  assert.equal((await explain(id)).State, 'stands');
});
