// The witness knows from the heartbeats themselves whether a node was silent.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CloudEvent } from '../../../agent/protocol/events.ts';
import { encodeHeartbeat } from '../../../agent/protocol/heartbeat.ts';
import { defaultHeartbeatTopic, heartbeatSubject } from '../../../agent/protocol/subjects.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { Witness } from './witness.ts';

async function stage() {
  const clock = new FakeClock();
  const brokers = [new FakeBroker(clock), new FakeBroker(clock), new FakeBroker(clock)];
  const witness = new Witness(brokers.map(each => each.connect()));
  const senders = brokers.map(each => each.connect());
  /** Lets a heartbeat of node-1 that was sent so long ago reach the servers of these sites. */
  const beat = async (agoMs: number, sites: readonly number[] = [0, 1, 2]) => {
    const sentAt = new Date(Date.now() - agoMs);
    const data = encodeHeartbeat({ NodeID: 'node-1', Sequence: 1 }, undefined, sentAt);
    for (const site of sites) senders[site]?.publish(heartbeatSubject(defaultHeartbeatTopic, 'node-1'), data);
    await clock.settle();
  };
  /** Returns what is wrong with a verdict that was told so much later. */
  const faultOf = (laterMs: number) => {
    const told = Date.now() + laterMs;
    const time = new Date(told).toISOString();
    const event = { id: 'e', subject: 'node-1', time, type: 'org.muster.node.unhealthy' } as CloudEvent;
    return witness.faultOf(event, told, 10_000);
  };
  return { witness, beat, faultOf };
}

describe('the witness of the campaign', () => {
  it('finds a verdict about a node whose heartbeat reached a server in the time of its silence', async () => {
    const { beat, faultOf } = await stage();
    await beat(0);
    assert.match(
      faultOf(5_000) ?? '',
      /node-1 was told as unhealthy .* but a heartbeat of .* reached a server/,
    );
    assert.equal(faultOf(10_500), undefined);
  });

  it('does not count a heartbeat that waited somewhere before it reached a server', async () => {
    const { beat, faultOf } = await stage();
    await beat(60_000);
    assert.equal(faultOf(5_000), undefined);
  });

  it('does not count what only a server without a majority heard', async () => {
    const { witness, beat, faultOf } = await stage();
    witness.cutOff(2);
    await beat(0, [2]);
    assert.equal(faultOf(5_000), undefined);
    await beat(0, [0, 1]);
    assert.match(faultOf(5_000) ?? '', /reached a server/);
  });

  it('counts what that server hears again once its heartbeats reach the others', async () => {
    const { witness, beat, faultOf } = await stage();
    witness.cutOff(2);
    witness.open();
    await beat(0, [2]);
    assert.equal(faultOf(5_000), undefined, 'the servers have not found each other yet');
    await beat(60_000, [0, 1, 2]);
    await beat(0, [2]);
    assert.match(faultOf(5_000) ?? '', /reached a server/);
  });
});
