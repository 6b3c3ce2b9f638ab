// Tests what a requester announces while it is degraded, which means that it may not receive all messages.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RequesterFixture, settings } from './requester-fixture.ts';

const hour = 3_600_000;

describe('a degraded requester', () => {
  test('announces once that it is degraded, and once that it has recovered', async () => {
    const fixture = await RequesterFixture.started();
    const received: { subject: string; event: Record<string, unknown> }[] = [];
    fixture.broker.connect().subscribe('requester.events.>', ({ subject, data }) => {
      received.push({ subject, event: JSON.parse(Buffer.from(data).toString()) });
    });
    fixture.broker.deliver = subject => !subject.startsWith('requester.echo.');
    await fixture.clock.advance(60_000);
    assert.equal(fixture.requester.status().state, 'degraded');
    assert.equal(fixture.requester.status().reason, 'the broker does not return our own messages');
    fixture.broker.deliver = undefined;
    await fixture.clock.advance(10_000);
    assert.equal(fixture.requester.status().state, 'ready');
    assert.deepEqual(
      received.map(({ subject }) => subject),
      ['requester.events.node-0.degraded', 'requester.events.node-0.recovered'],
    );
    assert.equal(received[0]?.event.source, `/muster/${fixture.requester.status().clusterId}/node-0`);
    assert.deepEqual(
      received.map(({ event }) => [event.specversion, event.type, event.subject]),
      [
        ['1.0', 'org.muster.requester.degraded', 'node-0'],
        ['1.0', 'org.muster.requester.recovered', 'node-0'],
      ],
    );
    assert.equal(new Set(received.map(({ event }) => event.id)).size, 2);
  });

  test('announces nothing about nodes after a suspension or the loss of the broker', async () => {
    const fixture = await RequesterFixture.started();
    for (const id of ['node-1', 'node-2']) await fixture.register(id);
    await fixture.live(60_000, ['node-1', 'node-2']);
    const before = fixture.announced();
    await fixture.clock.stall(3 * settings.nodeUnknownAfter);
    await fixture.live(60_000, ['node-1', 'node-2']);
    fixture.broker.stop();
    await fixture.clock.advance(hour);
    assert.equal(fixture.requester.status().state, 'degraded');
    assert.ok(
      fixture.table().every(line => /node-0|HEALTHY$/.test(line)),
      'answered from memory',
    );
    fixture.broker.start();
    await fixture.live(60_000, ['node-1', 'node-2']);
    assert.deepEqual(fixture.announced(), before);
    await fixture.live(60_000, ['node-1']);
    assert.deepEqual(fixture.announced().slice(before.length), ['node-2 unhealthy']);
  });
});
