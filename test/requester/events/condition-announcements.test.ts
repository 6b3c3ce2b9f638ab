// The conditions of nodes are announced once, whatever restarts, takes over or is lost meanwhile.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RequesterFixture } from '../requester-fixture.ts';
import { computeInfo } from '../samples.ts';

const minuteMs = 60_000;

async function withNode(): Promise<RequesterFixture> {
  const fixture = await RequesterFixture.started();
  await fixture.register('node-1');
  await fixture.approve('node-1');
  return fixture;
}

/** Lets node-1 say which conditions it has. */
async function say(fixture: RequesterFixture, ...types: string[]): Promise<void> {
  const Conditions = types.map(Type => ({ Type, Reason: `why ${Type}`, Since: '2026-01-01T00:00:00Z' }));
  const Info = { ...computeInfo('node-1'), ...(types.length > 0 ? { Conditions } : {}) };
  const answer = await fixture.ask('node-1', 'UpdateNodeInfo/v1', { Info, ...fixture.senderOf('node-1') });
  assert.equal(answer.value?.Accepted, true, JSON.stringify(answer));
  await fixture.clock.advance(2_000);
}

const told = (fixture: RequesterFixture) =>
  fixture
    .events()
    .filter(({ type }) => type.includes('condition'))
    .map(({ type, data }) => `${type.slice('org.muster.node.condition-'.length)} ${data.condition?.type}`);

describe('a condition of a node', () => {
  test('is told when it comes up and when it is over, with its reason', async () => {
    const fixture = await withNode();
    await say(fixture, 'GpuMissing');
    const [raised] = fixture.events().filter(({ type }) => type.endsWith('condition-raised'));
    assert.deepEqual(raised?.data, {
      node: 'node-1',
      previous: { membership: 'APPROVED' },
      current: { membership: 'APPROVED' },
      reason: 'why GpuMissing',
      condition: { type: 'GpuMissing', since: '2026-01-01T00:00:00Z' },
      conditions: ['GpuMissing'],
    });
    await say(fixture, 'GpuMissing', 'DiskAlmostFull');
    await fixture.clock.advance(minuteMs);
    await say(fixture);
    await fixture.clock.advance(minuteMs);
    assert.deepEqual(told(fixture), [
      'raised GpuMissing',
      'raised DiskAlmostFull',
      'cleared GpuMissing',
      'cleared DiskAlmostFull',
    ]);
    assert.deepEqual(fixture.events().at(-1)?.data.conditions, []);
  });

  test('is told after the registration that brought it', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1');
    await say(fixture, 'GpuMissing');
    assert.deepEqual(
      fixture.announced().filter(each => !each.endsWith('updated')),
      ['node-1 registered', 'node-1 condition-raised'],
    );
  });

  test('is told again after no restart, and what changed just before one is told after it', async () => {
    const fixture = await withNode();
    await say(fixture, 'GpuMissing');
    await fixture.kill();
    await fixture.start();
    await fixture.clock.advance(2 * minuteMs);
    assert.deepEqual(told(fixture), ['raised GpuMissing']);
    const Info = computeInfo('node-1');
    await fixture.ask('node-1', 'UpdateNodeInfo/v1', { Info, ...fixture.senderOf('node-1') });
    await fixture.kill();
    await fixture.start();
    await fixture.clock.advance(minuteMs);
    await fixture.kill();
    await fixture.start();
    await fixture.clock.advance(minuteMs);
    assert.deepEqual(told(fixture), ['raised GpuMissing', 'cleared GpuMissing']);
  });

  test('is not over when its requester and its agent start again, and the agent does not know it yet', async () => {
    const fixture = await withNode();
    await say(fixture, 'GpuMissing');
    await fixture.kill();
    await fixture.start();
    await say(fixture);
    await say(fixture, 'GpuMissing');
    await fixture.clock.advance(2 * minuteMs);
    assert.deepEqual(told(fixture), ['raised GpuMissing']);
  });

  test('is told once by the requester that takes over', async () => {
    const fixture = await withNode();
    await say(fixture, 'GpuMissing');
    const self = { ...fixture.requester.directory.self, NodeID: 'other' };
    const other = fixture.newRequester(fixture.broker.connect(), { self });
    await fixture.finish(other.start());
    await say(fixture, 'GpuMissing', 'DiskAlmostFull');
    assert.deepEqual(told(fixture), ['raised GpuMissing', 'raised DiskAlmostFull']);
    await fixture.kill();
    fixture.requester = other;
    await fixture.clock.advance(2 * minuteMs);
    assert.deepEqual(told(fixture), ['raised GpuMissing', 'raised DiskAlmostFull']);
    await say(fixture, 'DiskAlmostFull');
    await fixture.clock.advance(minuteMs);
    assert.deepEqual(told(fixture).slice(2), ['cleared GpuMissing']);
  });

  test('is not over when its node is deleted, and is told anew when the node registers again', async () => {
    const fixture = await withNode();
    await say(fixture, 'GpuMissing');
    await fixture.delete('node-1');
    fixture.sessions.delete('node-1');
    await fixture.register('node-1');
    await say(fixture, 'GpuMissing');
    assert.deepEqual(told(fixture), ['raised GpuMissing', 'raised GpuMissing']);
  });

  test('is not taken for over when the store loses its node, and gets the record back', async () => {
    const fixture = await withNode();
    await say(fixture, 'GpuMissing');
    await fixture.kill();
    fixture.broker.buckets.get('node_v1')?.entries.delete('node-1');
    await fixture.start();
    await fixture.clock.advance(minuteMs);
    await fixture.finish(fixture.requester.directory.rebuild('node-1', { actor: 'ann' }));
    await fixture.clock.advance(minuteMs);
    await fixture.register('node-1');
    await say(fixture, 'GpuMissing');
    assert.deepEqual(told(fixture), ['raised GpuMissing']);
    await say(fixture);
    await fixture.clock.advance(minuteMs);
    assert.deepEqual(told(fixture), ['raised GpuMissing', 'cleared GpuMissing']);
  });

  test('is told at a limited rate, whatever names a node makes up', async () => {
    const fixture = await withNode();
    for (let round = 0; round < 20; round++)
      await say(fixture, ...Array.from({ length: 32 }, (_, n) => `Made${round}-${n}`));
    const minutes = (20 * 2) / 60;
    assert.ok(told(fixture).length <= 16 + minutes * 12 + 1, `${told(fixture).length} events`);
  });
});
