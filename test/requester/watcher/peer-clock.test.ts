// Tests how a requester finds out that the clock of another one is wrong.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PeerClock } from '../../../agent/requester/watcher/peer-clock.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const dayMs = 86_400_000;

class Peer {
  readonly clock = new FakeClock();
  readonly heard = new PeerClock(this.clock);

  /** Receives a message from a clock that is ahead by so much. */
  receive(aheadMs: number): number | undefined {
    this.heard.add(new Date(this.clock.now().getTime() + aheadMs).toISOString());
    return this.heard.aheadMs;
  }
}

test('a clock that is a day ahead or behind is noticed by the second message', async () => {
  for (const aheadMs of [dayMs, -dayMs]) {
    const peer = new Peer();
    assert.equal(peer.receive(aheadMs), undefined);
    await peer.clock.advance(2_000);
    assert.equal(peer.receive(aheadMs + 40), aheadMs + 40);
  }
});

test('less than half a minute is no fault', async () => {
  const peer = new Peer();
  for (const aheadMs of [29_000, 29_900, -29_000, -29_900]) {
    peer.receive(aheadMs);
    await peer.clock.advance(2_000);
    assert.equal(peer.receive(aheadMs), undefined);
  }
});

test('messages that waited say nothing about a clock, however many they are', async () => {
  const peer = new Peer();
  peer.receive(0);
  await peer.clock.advance(2_000);
  peer.receive(0);
  // This process was suspended for ten minutes, and now reads what came meanwhile, two messages of the same moment among it.
  await peer.clock.stall(600_000);
  for (let ageMs = 600_000; ageMs > 0; ageMs -= 2_000) {
    peer.receive(-ageMs);
    assert.equal(peer.receive(-ageMs), undefined);
  }
});

test('a clock that was set is believed again', async () => {
  const peer = new Peer();
  for (const [aheadMs, expected] of [
    [dayMs, undefined],
    [dayMs, dayMs],
    [0, dayMs],
    [0, undefined],
  ] as const) {
    assert.equal(peer.receive(aheadMs), expected);
    await peer.clock.advance(2_000);
  }
});

test('setting the clock of this machine counts as well', async () => {
  const peer = new Peer();
  for (let i = 0; i < 3; i++) {
    peer.receive(0);
    await peer.clock.advance(2_000);
  }
  peer.clock.moveWall(dayMs);
  for (const expected of [undefined, -dayMs]) {
    assert.equal(peer.receive(-dayMs), expected);
    await peer.clock.advance(2_000);
  }
});
