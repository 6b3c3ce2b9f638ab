// A cluster that says for some seconds that a stream has less than it had has lost nothing.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { StreamInfo } from '../../agent/transport/jetstream.ts';
import { StreamFloor } from '../../agent/transport/stream-floor.ts';
import { FakeClock } from '../support/fake-clock.ts';

const infoOf = (last: number, created = 'then'): StreamInfo =>
  ({ created, state: { last_seq: last, messages: last } }) as StreamInfo;

function begin(isClustered = true) {
  const clock = new FakeClock();
  const floor = new StreamFloor({ connection: { isClustered }, clock });
  /** Asks, with these answers one after the other, the last one for ever. Returns what is believed, and when. */
  const ask = async (...answers: StreamInfo[]) => {
    const began = clock.monotonic();
    let at = 0;
    const asking = floor.ask(async () => (answers.length > 1 ? answers.shift() : answers[0]) as StreamInfo);
    void asking.then(() => {
      at = clock.monotonic() - began;
    });
    await clock.advance(60_000);
    const { state } = await asking;
    return [state.last_seq, at];
  };
  return { floor, ask };
}

describe('what a cluster says of a stream', () => {
  test('is asked again while it is less than it was, and believed once it is not', async () => {
    const { floor, ask } = begin();
    assert.deepEqual(await ask(infoOf(10)), [10, 0]);
    floor.note(12);
    assert.deepEqual(await ask(infoOf(11), infoOf(11), infoOf(12)), [12, 1_000]);
  });

  test('is believed when it stays so, and then it is no less than it was', async () => {
    const { ask } = begin();
    await ask(infoOf(10));
    assert.deepEqual(await ask(infoOf(4)), [4, 15_000]);
    assert.deepEqual(await ask(infoOf(4)), [4, 0]);
  });

  test('is not believed at once of another time of creation, because another leader may say one of a restored stream', async () => {
    const { ask } = begin();
    await ask(infoOf(10));
    assert.deepEqual(await ask(infoOf(9, 'now'), infoOf(10, 'now')), [10, 500]);
    assert.deepEqual(await ask(infoOf(1, 'later')), [1, 15_000]);
  });

  test('is believed at once of a single server', async () => {
    const { ask } = begin(false);
    await ask(infoOf(10));
    assert.deepEqual(await ask(infoOf(4)), [4, 0]);
    assert.deepEqual(await ask(infoOf(1, 'now')), [1, 0]);
  });

  test('is compared with what was known when it was asked, not with what was written meanwhile', async () => {
    const { floor, ask } = begin();
    await ask(infoOf(10));
    const asking = floor.ask(async () => {
      floor.note(11);
      return infoOf(10);
    });
    assert.equal((await asking).state.last_seq, 10);
    assert.deepEqual(await ask(infoOf(10), infoOf(11)), [11, 500]);
  });
});
