// The watch begins and ends with the lease, whenever that changes.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { eventStreamConfig } from '../../../agent/requester/events/stream-config.ts';
import { WatchDuty } from '../../../agent/requester/watcher/watch-duty.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeBroker } from '../../support/fake-connection.ts';
import { recordLog } from '../../support/log-lines.ts';
import { steadyRandom } from '../../support/steady-random.ts';

async function begin(lease: { readonly isHeld: boolean }) {
  const clock = new FakeClock();
  const connection = new FakeBroker(clock).connect();
  const stream = await (await connection.storage()).stream(eventStreamConfig);
  const { log, lines } = recordLog();
  const nothing = () => undefined;
  const duty = new WatchDuty({
    lease,
    fence: { mark: 0, raise: async () => undefined },
    stream,
    connection,
    clock,
    random: steadyRandom(),
    log,
    signal: new AbortController().signal,
    events: { begin: nothing, pause: nothing, dropAnnounced: nothing, onAnnounced: nothing },
    health: { standBy: nothing, takeOver: nothing },
    work: [],
    onChange: nothing,
  });
  return { clock, stream, duty, lines };
}

describe('the watch', () => {
  test('ends when the lease is lost in the moment in which the takeover ends', async () => {
    const state = { isHeld: false, losesNext: false };
    const lease = {
      get isHeld() {
        // The loss comes just after the duty has looked at the lease for the last time.
        if (state.losesNext && duty.watches) {
          state.losesNext = false;
          queueMicrotask(() => {
            state.isHeld = false;
            duty.onLease();
          });
        }
        return state.isHeld;
      },
    };
    const { clock, duty } = await begin(lease);
    await duty.start(0);
    Object.assign(state, { isHeld: true, losesNext: true });
    duty.onLease();
    await clock.advance(1_000);
    assert.deepEqual(
      { ...state, watches: duty.watches },
      { isHeld: false, losesNext: false, watches: false },
    );
    duty.stop();
  });

  test('is tried again, and says so seldom, after a failure that is not one of the broker', async () => {
    const lease = { isHeld: false };
    const { clock, stream, duty, lines } = await begin(lease);
    await duty.start(0);
    const { lastPerSubject } = stream;
    stream.lastPerSubject = () => Promise.reject(new Error('a fault of the program'));
    lease.isHeld = true;
    duty.onLease();
    await clock.advance(25_000);
    assert.equal(lines.filter(({ level }) => level === 'error').length, 3);
    stream.lastPerSubject = lastPerSubject;
    await clock.advance(10_000);
    assert.equal(duty.watches, true);
    duty.stop();
  });
});
