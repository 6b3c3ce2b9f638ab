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
  const broker = new FakeBroker(clock);
  const sites = [broker.connect(), broker.connect(), broker.connect()];
  const witness = new Witness(sites);
  /** Lets a heartbeat of node-1 reach the servers that was sent so long ago. */
  const beat = async (agoMs: number) => {
    const sentAt = new Date(Date.now() - agoMs);
    const data = encodeHeartbeat({ NodeID: 'node-1', Sequence: 1 }, undefined, sentAt);
    sites[0]?.publish(heartbeatSubject(defaultHeartbeatTopic, 'node-1'), data);
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
    for (const site of [0, 1, 2]) {
      witness.minority = site;
      await beat(0);
    }
    assert.match(faultOf(5_000) ?? '', /reached a server/, 'the two others heard it');
  });
});
