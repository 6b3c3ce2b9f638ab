// Tests with a running requester what a pass over the roll finds: each change once, and nothing where nothing changed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RollChange, RollChanges } from '../../../agent/requester/page/roll-changes.ts';
import { RequesterFixture } from '../requester-fixture.ts';

const oneGpu = [{ Index: 0, Name: 'H100', Vendor: 'NVIDIA', Memory: 80_000, PCIAddress: '0' }];

function report(fixture: RequesterFixture, id: string, cpu: number) {
  return fixture.ask(id, 'UpdateResources/v1', {
    NodeID: id,
    AvailableCapacity: { CPU: cpu, Memory: 1e9, GPU: 1, GPUs: oneGpu },
    QueueUsedCapacity: {},
    Usage: { CPU: cpu, Memory: 2e9, Disk: 3e9, Load: 1, GPUs: [{ Index: 0, Utilisation: 50 }] },
    RunningExecutions: 1,
    ...fixture.senderOf(id),
  });
}

function passer(fixture: RequesterFixture) {
  const changes = new RollChanges();
  return (): string[] => {
    const found = [...changes.pass(fixture.requester.directory.seen(), fixture.clock.now())];
    return found.filter(change => change !== undefined).map(textOf);
  };
}

const textOf = (change: RollChange): string => {
  if (change.kind === 'row') return `row ${change.row.id} ${change.row.approval} ${change.row.status}`;
  if (change.kind === 'figures') return `figures ${change.figures.id} ${change.figures.available.cpu}`;
  return `${change.kind} ${change.id}`;
};

test('a pass finds each change once, and nothing in a roll that did not change', async () => {
  const fixture = await RequesterFixture.started();
  const pass = passer(fixture);
  assert.deepEqual(pass(), []);
  for (const id of ['a', 'b']) await fixture.register(id);
  await report(fixture, 'a', 1);
  assert.deepEqual(pass(), ['row a PENDING HEALTHY', 'row b PENDING UNKNOWN']);
  assert.deepEqual(pass(), []);
  await fixture.approve('b');
  assert.deepEqual(pass(), ['row b APPROVED UNKNOWN']);
  await fixture.clock.advance(1_000);
  await report(fixture, 'a', 2);
  assert.deepEqual(pass(), ['figures a 2', 'heard a']);
  await fixture.clock.advance(1_000);
  await fixture.heartbeat('a');
  assert.deepEqual(pass(), ['heard a']);
  assert.deepEqual(pass(), []);
  await fixture.clock.advance(50_000);
  assert.deepEqual(pass(), ['row a PENDING UNHEALTHY']);
  await fixture.delete('b');
  assert.deepEqual(pass(), ['gone b']);
  assert.deepEqual(pass(), []);
});

test('a pass corrects what a whole roll has shown since the one before', async () => {
  const fixture = await RequesterFixture.started();
  const changes = new RollChanges();
  const { directory } = fixture.requester;
  const pass = () =>
    [...changes.pass(directory.seen(), fixture.clock.now())].flatMap(change =>
      change ? textOf(change) : [],
    );
  for (const id of ['a', 'b']) await fixture.register(id);
  await fixture.heartbeat('a');
  assert.deepEqual(pass(), []);
  await fixture.clock.advance(50_000);
  await fixture.register('c');
  for (const seen of directory.seen()) changes.rowOf(seen, fixture.clock.now());
  await fixture.heartbeat('a');
  for (const id of ['b', 'c']) await fixture.delete(id);
  assert.deepEqual(pass().sort(), ['gone b', 'gone c', 'row a PENDING HEALTHY']);
  assert.deepEqual(pass(), []);
});
