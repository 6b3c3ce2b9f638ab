// Forgetting, deleting and bringing back at a whole requester: what is known of a node survives it, and every restart.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type FixtureOptions, RequesterFixture } from '../requester-fixture.ts';

const dayMs = 86_400_000;
const forgetAfter = 30 * dayMs;
const ada = { reason: '', actor: 'ada' };

async function withNodes(ids: readonly string[], options: FixtureOptions = {}): Promise<RequesterFixture> {
  const fixture = await RequesterFixture.started(options);
  for (const id of ids) {
    await fixture.register(id);
    await fixture.approve(id, 'good');
    await fixture.heartbeat(id);
  }
  return fixture;
}

/** Restarts the requester after some time in which nothing runs. */
async function restart(fixture: RequesterFixture, awayMs = 0): Promise<void> {
  await fixture.finish(fixture.requester.stop());
  await fixture.clock.stall(awayMs);
  await fixture.start();
}

const gone = ({ requester }: RequesterFixture) => requester.directory.goneNodes();
const ids = ({ requester }: RequesterFixture) =>
  requester.directory.list().flatMap(({ Info }) => (Info.NodeType === 'Compute' ? Info.NodeID : []));
const decide = (fixture: RequesterFixture, action: 'forget' | 'undelete', id: string) =>
  fixture.finish(fixture.requester.directory[action](id, { ...ada, isExact: true, silentForMs: dayMs }));

describe('a node that was deleted', () => {
  test('is known after a restart, comes back with its history, and that survives another one', async () => {
    const fixture = await withNodes(['node-1']);
    await fixture.delete('node-1', 'too old');
    await restart(fixture);
    const [shown] = gone(fixture);
    assert.deepEqual(
      [shown?.NodeID, shown?.Membership, shown?.Decision?.Reason, shown?.Reason],
      ['node-1', 'APPROVED', 'good', 'too old'],
    );
    await fixture.register('node-1');
    await restart(fixture);
    const { Membership, Muster } = fixture.requester.directory.get('node-1');
    assert.deepEqual([Membership, Muster.Former?.Reason, gone(fixture)], ['PENDING', 'too old', []]);
  });

  test('is brought back as it was, with one event, and when it was last heard', async () => {
    const fixture = await withNodes(['node-1']);
    const heard = fixture.requester.directory.get('node-1').ConnectionState.LastHeartbeat;
    await fixture.delete('node-1');
    await fixture.clock.advance(60_000);
    await decide(fixture, 'undelete', 'node-1');
    const back = fixture.requester.directory.get('node-1');
    assert.deepEqual([back.Membership, back.ConnectionState.LastHeartbeat], ['APPROVED', heard]);
    await fixture.clock.advance(1_000);
    const told = fixture.events().filter(({ type }) => type.endsWith('.undeleted'));
    assert.deepEqual(
      told.map(({ data }) => [data.previous, data.current, data.actor]),
      [[{}, { membership: 'APPROVED' }, 'ada']],
    );
    await restart(fixture);
    assert.equal(fixture.requester.directory.get('node-1').ConnectionState.LastHeartbeat, heard);
    await fixture.register('node-1');
    assert.equal(fixture.requester.directory.get('node-1').Membership, 'APPROVED');
  });
});

describe('requester.forgetAfter', () => {
  test('forgets who was not heard for so long, also over restarts, and nobody else', async () => {
    const nodes = ['node-1', 'node-2', 'node-3', 'node-4'];
    const fixture = await withNodes(nodes, { settings: { forgetAfter } });
    await fixture.register('node-5');
    await fixture.reject('node-4');
    await fixture.clock.advance(10 * 60_000);
    await restart(fixture, 31 * dayMs);
    // Whoever comes back after the pause must have time to do so.
    for (let i = 0; i < 20; i++) await fixture.live(60_000, ['node-1']);
    await fixture.clock.advance(5 * 60_000);
    assert.deepEqual(ids(fixture), ['node-1', 'node-4', 'node-5']);
    const [shown] = gone(fixture);
    assert.deepEqual([shown?.Actor, shown?.Forgotten], ['node-0', true]);
    assert.match(shown?.Reason ?? '', /30 days.*requester\.forgetAfter/);
    const kinds = fixture.events().filter(({ data }) => data.node === shown?.NodeID);
    assert.equal(kinds.filter(({ type }) => type.endsWith('.deleted')).length, 1);
  });

  test('forgets a hundred nodes a minute at most', async () => {
    const many = Array.from({ length: 130 }, (_, index) => `node-${index + 1}`);
    const fixture = await withNodes(many, { settings: { forgetAfter } });
    await restart(fixture, 31 * dayMs);
    const left: number[] = [];
    for (let minute = 0; minute < 6; minute++) {
      await fixture.clock.advance(60_000);
      left.push(ids(fixture).length);
    }
    assert.ok(left.includes(30), `left after each minute: ${left}`);
    assert.equal(left.at(-1), 0);
  });

  test('is off by default, and a wall clock that is set ahead makes no silence longer', async () => {
    for (const settings of [{}, { forgetAfter }]) {
      const fixture = await withNodes(['node-1'], { settings });
      await fixture.clock.advance(10 * 60_000);
      await restart(fixture, 'forgetAfter' in settings ? 0 : 100 * dayMs);
      if ('forgetAfter' in settings) fixture.clock.moveWall(400 * dayMs);
      await fixture.clock.advance(20 * 60_000);
      assert.deepEqual(ids(fixture), ['node-1']);
    }
  });
});

test('a silent node is forgotten by an operator, and a node that is heard is not', async () => {
  const fixture = await withNodes(['node-1', 'node-2']);
  await restart(fixture, 2 * dayMs);
  await fixture.register('node-2');
  await fixture.heartbeat('node-2');
  await decide(fixture, 'forget', 'node-1');
  await assert.rejects(decide(fixture, 'forget', 'node-2'), { code: 'conflict' });
  assert.deepEqual([ids(fixture), gone(fixture).length], [['node-2'], 1]);
  // It registers by itself when it is back, and waits for approval.
  const { value } = await fixture.ask('node-1', 'UpdateResources/v1', {
    NodeID: 'node-1',
    AvailableCapacity: {},
    QueueUsedCapacity: {},
    ...fixture.senderOf('node-1'),
  });
  assert.notEqual(value?.Muster?.Code, 'deleted');
  await fixture.register('node-1');
  assert.equal(fixture.requester.directory.get('node-1').Membership, 'PENDING');
});
