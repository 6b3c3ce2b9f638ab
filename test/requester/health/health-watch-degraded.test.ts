// A requester that could not receive heartbeats, because it was suspended or without a broker, does not call nodes silent.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Health } from '../../../agent/protocol/node-state.ts';
import type { FakeBroker } from '../../support/fake-connection.ts';
import { begin, day, hour, limits, lines, watching } from './watch-fixture.ts';

describe('silence does not count against nodes:', () => {
  test('a wall clock that is moved by a day at any moment changes nothing', async () => {
    const run = async (moves: Map<number, number>) => {
      const { clock, watch, announced } = await watching(['node-1', 'node-2']);
      const healths: Health[] = [];
      for (let step = 0; step < 60; step++) {
        clock.moveWall(moves.get(step) ?? 0);
        if (step % 7 === 0 && step < 40) watch.markAlive('node-2');
        if (step === 50) watch.markAlive('node-1');
        await clock.advance(5_000);
        healths.push(watch.health('node-1'), watch.health('node-2'));
      }
      return { healths, announced: lines(announced) };
    };
    const still = await run(new Map());
    assert.equal(still.announced.length, 6);
    const steps = fc.uniqueArray(fc.nat(59), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(steps, fc.array(fc.constantFrom(day, -day), { minLength: 6 }), async (when, how) => {
        const moved = await run(new Map(when.map((step, index) => [step, how[index] ?? day])));
        assert.deepEqual(moved, still);
      }),
      { numRuns: 10 },
    );
  });

  test('a suspension of the requester for 3 × nodeUnknownAfter or more makes no node UNHEALTHY', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 30_000 }),
        fc.integer({ min: 0, max: 14_999 }),
        fc.integer({ min: 3 * limits.unknownAfterMs, max: hour }),
        async (stallAt, phase, stall) => {
          const { clock, watch, announced, degradations } = await watching();
          // Nodes send every 15 s. The broker keeps what they send while the requester is suspended.
          let elapsed = 0;
          const until = async (end: number) => {
            for (
              let beat = Math.ceil((elapsed - phase) / 15_000) * 15_000 + phase;
              beat < end;
              beat += 15_000
            ) {
              await clock.advance(beat - elapsed);
              elapsed = beat;
              watch.markAlive('node-1');
            }
            await clock.advance(end - elapsed);
            elapsed = end;
          };
          await until(stallAt);
          await clock.stall(stall);
          elapsed += stall;
          assert.equal(watch.health('node-1'), 'HEALTHY');
          await until(elapsed + 100_000);
          assert.equal(watch.health('node-1'), 'HEALTHY');
          assert.deepEqual(lines(announced), []);
          assert.deepEqual(degradations, []);
          // Silence after the suspension is noticed as usual.
          await clock.advance(65_000);
          assert.deepEqual(
            announced.map(({ kind }) => kind),
            ['unhealthy'],
          );
        },
      ),
      { numRuns: 30 },
    );
  });

  test('after a suspension while an echo is on its way, nothing is announced before the echo is back', async () => {
    const { clock, broker, watch, announced } = await watching();
    await clock.advance(40_000);
    const late: (() => void)[] = [];
    broker.deliver = (subject, data) => {
      if (!subject.startsWith('requester.echo.')) return true;
      const copy = Uint8Array.from(data);
      late.push(() => broker.inject(subject, copy));
      return false;
    };
    await clock.advance(4_000);
    await clock.stall(hour);
    // The requester's timers fire first, and the check is one of them. Then it reads the messages that waited.
    assert.deepEqual(lines(announced), []);
    watch.markAlive('node-1');
    broker.deliver = undefined;
    for (const each of late) each();
    await clock.advance(30_000);
    assert.deepEqual(lines(announced), []);
  });

  test('the shortest suspension that counts follows from nodeDisconnectedAfter', async () => {
    const stalled = async (disconnectedAfterMs: number, stall: number) => {
      const { clock, watch } = begin(
        { 'node-1': 'HEALTHY' },
        { limits: { disconnectedAfterMs, unknownAfterMs: 2 * disconnectedAfterMs } },
      );
      watch.markAlive('node-1');
      await clock.stall(stall);
      return watch.silenceMs('node-1');
    };
    assert.deepEqual(
      [await stalled(45_000, 2_999), await stalled(45_000, 3_000), await stalled(45_000, hour)],
      [2_999, 3_000, 3_000],
      'an event loop that is busy for a second or two is not suspended',
    );
    assert.equal(await stalled(20_000, hour), 1_500);
    assert.equal(await stalled(400, 60), 60);
    assert.equal(await stalled(400, hour), 60);
  });

  test('a broker that is away for an hour makes no node UNHEALTHY; afterwards the verdict waits until it can be back', async () => {
    const { clock, broker, watch, announced, degradations } = await watching();
    await clock.advance(44_000);
    broker.stop();
    assert.deepEqual(degradations, ['the connection to the broker is lost']);
    assert.equal(watch.degradedReason, degradations[0]);
    await clock.advance(hour);
    assert.equal(watch.health('node-1'), 'HEALTHY');
    assert.equal(watch.silenceMs('node-1'), 44_000);
    assert.equal(watch.degradedReason, 'the connection to the broker is lost');
    broker.start();
    assert.deepEqual(degradations, ['the connection to the broker is lost']);
    assert.match(
      watch.degradedReason ?? '',
      /^the verdict on 1 silent node waits until 2026-\S+Z: the connection to the broker was lost$/,
    );
    await clock.advance(44_999);
    assert.equal(watch.health('node-1'), 'HEALTHY');
    assert.equal(watch.silenceMs('node-1'), 88_999);
    assert.deepEqual(lines(announced), []);
    await clock.advance(1);
    assert.equal(watch.health('node-1'), 'UNHEALTHY');
    await clock.advance(4_000);
    assert.deepEqual(degradations, ['the connection to the broker is lost', undefined]);
    assert.deepEqual(
      announced.map(({ kind }) => kind),
      ['unknown'],
    );
  });

  const loseEchoes = (broker: FakeBroker) => {
    broker.deliver = subject => !subject.startsWith('requester.echo.');
  };

  test('without its echo the requester is degraded, and silence counts again after 3 × nodeDisconnectedAfter', async () => {
    const { clock, broker, watch, announced, degradations } = await watching();
    loseEchoes(broker);
    // The echo is sent at 55 000 ms and is missing at 60 000 ms. From then on listening time stands still for 135 s.
    await clock.advance(9_999);
    assert.deepEqual(degradations, []);
    await clock.advance(1);
    assert.deepEqual(degradations, ['the broker does not return our own messages']);
    await clock.advance(135_000);
    assert.equal(clock.monotonic(), 195_000);
    assert.equal(watch.silenceMs('node-1'), 10_000);
    await clock.advance(34_999);
    assert.equal(watch.health('node-1'), 'HEALTHY');
    assert.deepEqual(lines(announced), []);
    await clock.advance(1);
    assert.equal(watch.health('node-1'), 'UNHEALTHY');
    assert.deepEqual(lines(announced), ['230000 node-1 unhealthy']);
    assert.equal(degradations.length, 1);
    broker.deliver = undefined;
    await clock.advance(5_000);
    assert.deepEqual(degradations, ['the broker does not return our own messages', undefined]);
  });

  test('nothing is announced while the echo is missing, even after a long silence', async () => {
    const { clock, broker, watch, announced } = await watching();
    await clock.advance(38_000);
    loseEchoes(broker);
    // The echo that is sent at 90 000 ms is lost. When it is missed at 95 000 ms, the node has been silent for 45 s.
    await clock.advance(7_000);
    assert.equal(watch.health('node-1'), 'UNHEALTHY');
    assert.deepEqual(lines(announced), []);
    await clock.advance(100_000);
    assert.deepEqual(lines(announced), []);
    watch.markAlive('node-1');
    broker.deliver = undefined;
    await clock.advance(10_000);
    assert.deepEqual(lines(announced), [], 'the node sent a heartbeat before the echo came back');
  });

  test('an echo ends the hold, and the next hold may last as long', async () => {
    const { clock, broker, watch, announced, degradations } = await watching();
    for (let round = 1; round <= 3; round++) {
      loseEchoes(broker);
      await clock.advance(100_000);
      assert.equal(watch.health('node-1'), 'HEALTHY', `round ${round}`);
      broker.deliver = undefined;
      await clock.advance(5_000);
      assert.equal(degradations.length, 2 * round);
      watch.markAlive('node-1');
    }
    assert.deepEqual(lines(announced), []);
  });

  test('holds end even when the connection comes and goes without an echo', async () => {
    const { clock, broker, connection, announced } = await watching();
    loseEchoes(broker);
    for (let i = 0; i < 12; i++) {
      await clock.advance(30_000);
      connection.drop();
      await clock.advance(1_000);
      connection.regain();
    }
    assert.deepEqual(
      announced.map(({ kind }) => kind),
      ['unhealthy', 'unknown'],
    );
  });

  test('a hold and the loss of the broker during it are announced as one', async () => {
    const { clock, broker, watch, degradations } = await watching();
    loseEchoes(broker);
    await clock.advance(20_000);
    broker.stop();
    assert.equal(watch.degradedReason, 'the connection to the broker is lost');
    await clock.advance(hour);
    broker.deliver = undefined;
    const silence = Number(watch.silenceMs('node-1'));
    broker.start();
    await clock.advance(1_000);
    assert.equal(watch.silenceMs('node-1'), silence + 1_000, 'the hold ended with the loss');
    watch.markAlive('node-1');
    await clock.advance(19_000);
    assert.deepEqual(degradations, ['the broker does not return our own messages', undefined]);
    assert.equal(watch.degradedReason, undefined);
  });

  test('messages of others on the subject of the echo do not count as an echo', async () => {
    const { clock, broker, degradations } = await watching();
    loseEchoes(broker);
    const write = () => {
      broker.deliver = undefined;
      for (const odd of ['', '0', '1', '-1', '1e999', '999999', 'x', '{}', '12.5'])
        broker.inject('requester.echo.i-1', odd);
      loseEchoes(broker);
    };
    await clock.advance(5_000);
    write();
    await clock.advance(5_000);
    assert.equal(degradations.length, 1);
    write();
    await clock.advance(5_000);
    assert.equal(degradations.length, 1, 'an echo that came before does not count either');
  });
});
