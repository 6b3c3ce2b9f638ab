// A store whose servers choose a leader is asked again for a while.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { storeAnswer } from '../../agent/roles/store-answer.ts';
import { BrokerError } from '../../agent/transport/port.ts';
import { FakeClock } from '../support/fake-clock.ts';

const noAnswer = () =>
  new BrokerError('timeout', 'no answer on $JS.API.STREAM.INFO.KV_muster_v1 within 5000 ms');

describe('the store of servers that were just started', () => {
  it('is asked again until they have a leader', async () => {
    const clock = new FakeClock();
    let asked = 0;
    const answer = storeAnswer(clock, async () => {
      if (++asked < 4) throw noAnswer();
      return 'an answer';
    });
    await clock.advance(10_000);
    assert.deepEqual([await answer, asked], ['an answer', 4]);
  });

  it('is given up in words that say that nothing was changed', async () => {
    const clock = new FakeClock();
    const answer = storeAnswer(clock, async () => {
      throw noAnswer();
    });
    answer.catch(() => undefined);
    await clock.advance(60_000);
    await assert.rejects(answer, (error: Error & { code: string; hint: string }) => {
      assert.equal(error.code, 'unreachable');
      assert.match(error.message, /the store of the NATS servers does not answer: no answer on/);
      assert.match(error.hint, /nothing was changed/);
      return true;
    });
  });

  it('is not asked again after an error of another kind', async () => {
    const error = new Error('a fault of the program');
    await assert.rejects(
      storeAnswer(new FakeClock(), async () => {
        throw error;
      }),
      error,
    );
  });
});
