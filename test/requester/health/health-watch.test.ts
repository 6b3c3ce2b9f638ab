// Tests the health watch: its limits, what it announces and what it does not announce.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Health } from '../../../agent/protocol/node-state.ts';
import { healthOf } from '../../../agent/requester/health/health.ts';
import { announcementLimits } from '../../../agent/requester/health/health-announcements.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { begin, day, hour, lines, watching } from './watch-fixture.ts';

describe('a silent node', () => {
  test('has the exact health at every moment, between checks too', async () => {
    const { clock, watch } = await watching(['node-1'], { checkIntervalMs: day });
    let at = 0;
    const rows: [number, Health][] = [
      [0, 'HEALTHY'],
      [44_999, 'HEALTHY'],
      [45_000, 'UNHEALTHY'],
      [45_001, 'UNHEALTHY'],
      [89_999, 'UNHEALTHY'],
      [90_000, 'UNKNOWN'],
      [90_001, 'UNKNOWN'],
      [hour, 'UNKNOWN'],
    ];
    for (const [silence, health] of rows) {
      await clock.advance(silence - at);
      at = silence;
      assert.equal(watch.health('node-1'), health, `${silence} ms`);
      assert.equal(watch.silenceMs('node-1'), silence);
    }
  });

  test('is announced once at the first check after each limit', async () => {
    const { clock, announced } = await watching();
    await clock.advance(44_999);
    assert.deepEqual(lines(announced), []);
    await clock.advance(1);
    assert.deepEqual(lines(announced), ['95000 node-1 unhealthy']);
    await clock.advance(44_999);
    assert.equal(announced.length, 1);
    await clock.advance(1);
    assert.deepEqual(lines(announced), ['95000 node-1 unhealthy', '140000 node-1 unknown']);
    await clock.advance(hour);
    assert.equal(announced.length, 2);
    assert.deepEqual(
      announced.map(({ previous, current, evidence }) => ({ previous, current, ...evidence })),
      [
        {
          previous: 'HEALTHY',
          current: 'UNHEALTHY',
          lastSeen: '2026-01-01T00:00:50.000Z',
          silence: 45_000,
          rule: 'silent for requester.nodeDisconnectedAfter (45000 ms)',
        },
        {
          previous: 'UNHEALTHY',
          current: 'UNKNOWN',
          lastSeen: '2026-01-01T00:00:50.000Z',
          silence: 90_000,
          rule: 'silent for requester.nodeUnknownAfter (90000 ms)',
        },
      ],
    );
  });

  test('is announced at the next check when its silence began just after a check', async () => {
    const { clock, watch, announced } = await watching();
    await clock.advance(1);
    watch.markAlive('node-1');
    await clock.advance(44_999);
    assert.deepEqual(lines(announced), [], 'the check came 1 ms too early');
    assert.equal(watch.health('node-1'), 'HEALTHY');
    await clock.advance(1);
    assert.equal(watch.health('node-1'), 'UNHEALTHY');
    await clock.advance(4_999);
    assert.deepEqual(lines(announced), ['100000 node-1 unhealthy']);
  });

  test('is announced as UNKNOWN, and not as UNHEALTHY, when both limits lie between two checks', async () => {
    const { clock, watch, announced } = await watching(['node-1'], { checkIntervalMs: 100_000 });
    await clock.advance(49_000);
    watch.markAlive('node-1');
    await clock.advance(1_000);
    assert.deepEqual(lines(announced), [], 'the grace ended with the first check');
    await clock.advance(100_000);
    assert.deepEqual(lines(announced), ['200000 node-1 unknown']);
  });

  test('is HEALTHY again after one heartbeat', async () => {
    for (const silence of [45_000, 89_999, 90_000, hour]) {
      const { clock, watch, announced } = await watching();
      await clock.advance(silence);
      const before = watch.health('node-1');
      assert.notEqual(before, 'HEALTHY');
      watch.markAlive('node-1');
      assert.equal(watch.health('node-1'), 'HEALTHY');
      const { kind, previous, current } = announced.at(-1) ?? {};
      assert.deepEqual(
        { kind, previous, current },
        { kind: 'healthy', previous: before, current: 'HEALTHY' },
      );
      await clock.advance(44_999);
      assert.equal(watch.health('node-1'), 'HEALTHY');
    }
  });

  test('is not announced when it sends a heartbeat before the next check', async () => {
    const { clock, watch, announced } = await watching();
    await clock.advance(1);
    watch.markAlive('node-1');
    await clock.advance(46_000);
    assert.equal(watch.health('node-1'), 'UNHEALTHY');
    watch.markAlive('node-1');
    await clock.advance(20_000);
    assert.deepEqual(lines(announced), []);
  });

  test('does not change when the other nodes are announced', async () => {
    const { clock, watch, announced } = await watching(['node-1', 'node-2', 'node-3']);
    for (let i = 0; i < 20; i++) {
      await clock.advance(15_000);
      watch.markAlive('node-2');
    }
    assert.deepEqual(lines(announced).sort(), [
      '140000 node-1 unknown',
      '140000 node-3 unknown',
      '95000 node-1 unhealthy',
      '95000 node-3 unhealthy',
    ]);
  });
});

describe('a node that stops', () => {
  test('is UNKNOWN at once, with an event of its own', async () => {
    const { clock, watch, announced } = await watching();
    await clock.advance(1_000);
    watch.markLeft('node-1', 'stopped by SIGTERM');
    assert.equal(watch.health('node-1'), 'UNKNOWN');
    assert.equal(watch.silenceMs('node-1'), undefined);
    assert.deepEqual(lines(announced), ['51000 node-1 left']);
    assert.equal(announced[0]?.evidence.rule, 'left: stopped by SIGTERM');
    assert.deepEqual([announced[0]?.previous, announced[0]?.current], ['HEALTHY', 'UNKNOWN']);
    watch.markLeft('node-1', '');
    await clock.advance(hour);
    assert.equal(announced.length, 1);
    watch.markAlive('node-1');
    assert.equal(announced.at(-1)?.kind, 'healthy');
  });

  test('is not announced when it was UNKNOWN already', async () => {
    const { clock, watch, announced } = await watching();
    await clock.advance(90_000);
    assert.equal(announced.length, 2);
    watch.markLeft('node-1', '');
    watch.add('node-2');
    watch.markLeft('node-2', '');
    assert.equal(announced.length, 2);
  });
});

describe('after a start', () => {
  test('nothing is announced before nodeDisconnectedAfter, then only what differs from the last announcement', async () => {
    const { clock, watch, announced } = begin({
      'was-healthy': 'HEALTHY',
      'is-healthy': 'HEALTHY',
      recovered: 'UNHEALTHY',
      'was-unknown': 'UNKNOWN',
      'was-unhealthy': 'UNHEALTHY',
      left: 'HEALTHY',
      new: 'UNKNOWN',
    });
    await clock.advance(5_000);
    for (const id of ['is-healthy', 'recovered', 'left', 'new']) watch.markAlive(id);
    watch.markLeft('left', 'gone');
    assert.equal(watch.health('recovered'), 'HEALTHY', 'the health is right at once');
    assert.equal(watch.health('was-healthy'), 'UNKNOWN', 'no sign of life since this start');
    await clock.advance(39_999);
    assert.deepEqual(lines(announced), []);
    await clock.advance(1);
    assert.deepEqual(lines(announced).sort(), [
      '45000 left left',
      '45000 new healthy',
      '45000 recovered healthy',
      '45000 was-healthy unknown',
      '45000 was-unhealthy unknown',
    ]);
    for (const { node, previous } of announced) {
      assert.equal(
        previous,
        { recovered: 'UNHEALTHY', 'was-unhealthy': 'UNHEALTHY', new: 'UNKNOWN' }[node] ?? 'HEALTHY',
      );
    }
    const { length } = announced;
    await clock.advance(4_999);
    assert.equal(announced.length, length);
    await clock.advance(1);
    assert.deepEqual(lines(announced.slice(length)), [
      '50000 is-healthy unhealthy',
      '50000 recovered unhealthy',
      '50000 new unhealthy',
    ]);
  });

  test('the time without a broker does not count as grace', async () => {
    const { clock, broker, announced } = begin({ 'node-1': 'HEALTHY' });
    await clock.advance(40_000);
    broker.stop();
    await clock.advance(hour);
    broker.start();
    await clock.advance(4_999);
    assert.deepEqual(lines(announced), []);
    await clock.advance(1);
    assert.deepEqual(
      announced.map(({ kind }) => kind),
      ['unknown'],
    );
  });

  test('a node that was removed and registers again begins as UNKNOWN', async () => {
    const { clock, watch, announced } = await watching();
    watch.onRemoved('node-1');
    watch.add('node-1');
    assert.equal(watch.health('node-1'), 'UNKNOWN');
    await clock.advance(hour);
    assert.deepEqual(lines(announced), [], 'a node that is only registered is not announced');
    watch.markAlive('node-1');
    assert.deepEqual([announced[0]?.previous, announced[0]?.current], ['UNKNOWN', 'HEALTHY']);
  });
});

describe('a deleted node', () => {
  test('is forgotten and not announced', async () => {
    const { clock, watch, announced } = await watching(['node-1', 'node-2']);
    await clock.advance(50_000);
    assert.equal(announced.length, 2, 'both are silent and wait to become UNKNOWN');
    watch.onRemoved('node-1');
    assert.equal(watch.size, 1);
    assert.equal(watch.liveness('node-1'), undefined);
    assert.equal(watch.silenceMs('node-1'), undefined);
    watch.markAlive('node-1');
    watch.markLeft('node-1', '');
    assert.equal(watch.size, 1, 'a late heartbeat creates nothing');
    assert.equal(watch.health('node-1'), 'UNKNOWN');
    await clock.advance(hour);
    assert.deepEqual(lines(announced.slice(2)), ['140000 node-2 unknown']);
  });
});

describe('the times shown to operators', () => {
  test('say when the last sign of life came, and since when the node is healthy or silent', async () => {
    const { clock, watch } = await watching();
    const pulse = () => {
      const { lastSeenAt, healthySince, silentSince } = watch.liveness('node-1') ?? {};
      return [lastSeenAt, healthySince, silentSince].map(
        at => at && new Date(at).toISOString().slice(14, 19),
      );
    };
    assert.deepEqual(pulse(), ['00:50', '00:20', undefined]);
    await clock.advance(100_000);
    assert.deepEqual(pulse(), ['00:50', '00:20', '01:35']);
    watch.markAlive('node-1', 7);
    assert.deepEqual(pulse(), ['02:30', '02:30', undefined]);
    assert.equal(watch.liveness('node-1')?.sequence, 7);
    await clock.advance(1_000);
    watch.markLeft('node-1', '');
    assert.deepEqual(pulse(), ['02:30', '02:30', '02:31']);
    watch.markAlive('node-1');
    await clock.advance(60_000);
    watch.markLeft('node-1', '');
    assert.deepEqual(pulse(), ['02:31', '02:31', '03:20'], 'silent before it left');
  });

  test('do not show a node as silent that stopped and came back during the grace', async () => {
    const { clock, watch } = begin({ 'node-1': 'HEALTHY' });
    watch.markAlive('node-1');
    watch.markLeft('node-1', '');
    watch.markAlive('node-1');
    await clock.advance(1_000);
    assert.equal(watch.liveness('node-1')?.silentSince, undefined);
  });
});

test('each of the first changes of health is announced exactly once, for any sequence of messages', async () => {
  const ids = ['a', 'b', 'c'];
  const happening = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('alive'), id: fc.constantFrom(...ids) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constantFrom('left', 'again'), id: fc.constantFrom(...ids) }),
    },
    { weight: 4, arbitrary: fc.record({ ms: fc.oneof(fc.integer({ min: 0, max: 60 }), fc.nat(5)) }) },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(happening, { maxLength: 80, size: 'max' }),
      fc.dictionary(fc.constantFrom(...ids), fc.constantFrom<Health>('HEALTHY', 'UNHEALTHY', 'UNKNOWN')),
      async (happenings, before) => {
        // The numbers are small, so that many sequences reach the limits.
        const small = { disconnectedAfterMs: 40, unknownAfterMs: 80 };
        const announcedBefore = Object.fromEntries(ids.map(id => [id, before[id] ?? 'UNKNOWN'] as const));
        const { clock, watch, announced } = begin(announcedBefore, { limits: small, checkIntervalMs: 10 });
        const lastSeen = new Map<string, number>();
        const last: Record<string, Health> = { ...announcedBefore };
        const expected: string[] = [];
        const counts: Record<string, number> = {};
        let now = 0;
        let graceOver = false;
        const tell = (id: string, health: Health, kind: string = health.toLowerCase()) => {
          // All this takes a few seconds, so that no node gets a new token after its first five.
          if (!graceOver || last[id] === health || counts[id] === announcementLimits.burst) return;
          last[id] = health;
          counts[id] = (counts[id] ?? 0) + 1;
          expected.push(`${now} ${id} ${kind}`);
        };
        const leftIds = new Set<string>();
        const health = (id: string) => {
          const seen = lastSeen.get(id);
          return healthOf(seen === undefined ? undefined : now - seen, small);
        };
        for (const each of happenings) {
          if ('ms' in each) {
            for (let step = 0; step < each.ms; step++) {
              now++;
              await clock.advance(1);
              if (now % 10) continue;
              graceOver ||= now >= small.disconnectedAfterMs;
              for (const id of ids) {
                tell(id, health(id), leftIds.has(id) ? 'left' : undefined);
              }
            }
          } else if (each.kind === 'alive') {
            watch.markAlive(each.id);
            leftIds.delete(each.id);
            lastSeen.set(each.id, now);
            tell(each.id, 'HEALTHY');
          } else if (each.kind === 'left') {
            watch.markLeft(each.id, '');
            leftIds.add(each.id);
            lastSeen.delete(each.id);
            tell(each.id, 'UNKNOWN', 'left');
          } else {
            watch.onRemoved(each.id);
            watch.add(each.id);
            leftIds.delete(each.id);
            lastSeen.delete(each.id);
            last[each.id] = 'UNKNOWN';
          }
          for (const id of ids) assert.equal(watch.health(id), health(id));
        }
        assert.deepEqual(lines(announced).sort(), expected.sort());
        // Every event of a node begins with the health with which the event before it ended.
        if (!happenings.some(each => 'kind' in each && each.kind === 'again')) {
          const chain: Record<string, Health> = { ...announcedBefore };
          for (const { node, previous, current } of announced) {
            assert.equal(previous, chain[node]);
            assert.notEqual(previous, current);
            chain[node] = current;
          }
        }
      },
    ),
    { numRuns: 40 },
  );
});

test('a watch that was stopped neither checks nor listens', async () => {
  const { clock, broker, connection, watch, announced, degradations } = await watching();
  watch.stop();
  assert.equal(clock.pending, 0);
  broker.stop();
  connection.regain();
  await clock.advance(day);
  assert.deepEqual([...announced, ...degradations], []);
});

test('the watch is stalled when its timers do not fire, but not when the broker is away', async () => {
  const clock = new FakeClock();
  let lost = false;
  const lossy = {
    monotonic: () => clock.monotonic(),
    now: () => clock.now(),
    after: (delay: number, fn: () => void) => (lost ? { cancel: () => undefined } : clock.after(delay, fn)),
  };
  const { watch, connection } = begin({ 'node-1': 'HEALTHY' }, { clock: lossy });
  await clock.advance(hour);
  assert.equal(watch.stalled, false);
  connection.drop();
  await clock.advance(hour);
  await clock.stall(hour);
  assert.equal(watch.stalled, false);
  lost = true;
  await clock.advance(60_000);
  assert.equal(watch.stalled, true);
  watch.stop();
  assert.equal(watch.stalled, false);
});
