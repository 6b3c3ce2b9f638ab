// Tests how often changes of one node's health are announced and logged: five at once, and then one in 10 s.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { announcementPace } from '../../../agent/requester/health/health-announcements.ts';
import { recordLog } from '../../support/log-lines.ts';
import { begin, lines, watching } from './watch-fixture.ts';

describe('a node that leaves and comes back all the time', () => {
  test('is announced five times at once, then at most every 10 s, with as many lines in the log', async () => {
    const { log, lines: logged } = recordLog();
    const { clock, watch, announced } = await watching(['node-1', 'node-2'], { log });
    for (let i = 0; i < 600; i++) {
      watch.markLeft('node-1', 'stopped');
      assert.equal(watch.health('node-1'), 'UNKNOWN', 'what is read stays exact');
      watch.markAlive('node-1');
      assert.equal(watch.health('node-1'), 'HEALTHY');
      watch.markAlive('node-2');
      await clock.advance(100);
    }
    assert.ok(announced.length <= 5 + 6, `${announced.length} announcements in a minute`);
    assert.equal(logged.length, announced.length);
    watch.markLeft('node-2', '');
    assert.equal(announced.at(-1)?.node, 'node-2', 'another node is announced at once');
  });

  test('is announced as it is, at the check after its next token', async () => {
    const { clock, watch, announced } = await watching();
    for (let i = 0; i < 3; i++) {
      watch.markLeft('node-1', '');
      watch.markAlive('node-1');
    }
    assert.equal(announced.length, 5);
    assert.equal(announced.at(-1)?.kind, 'left');
    await clock.advance(9_999);
    watch.markAlive('node-1');
    assert.equal(announced.length, 5);
    await clock.advance(1);
    assert.deepEqual(lines(announced.slice(5)), ['60000 node-1 healthy']);
    assert.deepEqual([announced[5]?.previous, announced[5]?.current], ['UNKNOWN', 'HEALTHY']);
    assert.equal(announced[5]?.evidence.rule, 'heard again');
  });

  test('is not announced when it is in the end as it was announced last', async () => {
    const { clock, watch, announced } = await watching();
    for (let i = 0; i < 3; i++) {
      watch.markLeft('node-1', '');
      watch.markAlive('node-1');
    }
    watch.markLeft('node-1', '');
    await clock.advance(60_000);
    assert.equal(announced.length, 5);
  });

  test('leaves nothing that is announced after it was deleted', async () => {
    const { clock, watch, announced } = await watching();
    for (let i = 0; i < 3; i++) {
      watch.markLeft('node-1', '');
      watch.markAlive('node-1');
    }
    watch.onRemoved('node-1');
    await clock.advance(60_000);
    assert.equal(announced.length, 5);
  });
});

test('any sequence of heartbeats and leaves causes few events, which alternate and end with the health', async () => {
  const happening = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom('alive' as const, 'left' as const) },
    { weight: 1, arbitrary: fc.oneof(fc.nat(3_000), fc.nat(100_000)) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(happening, { maxLength: 100, size: 'max' }), async happenings => {
      const { clock, watch, announced } = await watching();
      const start = clock.monotonic();
      for (const each of happenings) {
        if (each === 'alive') watch.markAlive('node-1');
        else if (each === 'left') watch.markLeft('node-1', '');
        else await clock.advance(each);
        assert.ok(announced.length <= 5 + (clock.monotonic() - start) / 10_000);
      }
      await clock.advance(120_000);
      let previous = 'HEALTHY';
      for (const change of announced) {
        assert.equal(change.previous, previous);
        assert.notEqual(change.current, previous);
        previous = change.current;
      }
      assert.equal(previous, watch.health('node-1'));
    }),
    { numRuns: 60 },
  );
});

describe('many nodes that change at once', () => {
  const ids = Array.from({ length: 4_000 }, (_, index) => `n-${index}`);
  const { burst, refillMs } = announcementPace;

  test('are announced a thousand at once, and then a few in each turn, each once', async () => {
    const { clock, watch, announced } = begin(Object.fromEntries(ids.map(id => [id, 'UNKNOWN'])));
    await clock.advance(44_000);
    for (const id of ids) watch.markAlive(id);
    assert.deepEqual(announced, []);
    await clock.advance(1_000);
    assert.equal(announced.length, burst, 'the first verdicts');
    assert.equal(watch.health('n-3999'), 'HEALTHY', 'what is read is exact');
    await clock.advance((ids.length - burst) * refillMs + 20);
    assert.deepEqual(new Set(announced.map(({ node }) => node)), new Set(ids));
    assert.equal(announced.length, ids.length);
    const perTurn = new Map<number, number>();
    for (const { at } of announced.slice(burst)) perTurn.set(at, (perTurn.get(at) ?? 0) + 1);
    assert.ok(Math.max(...perTurn.values()) <= 20 / refillMs);
  });

  test('are announced as they are when their turn comes, and not at all without a difference', async () => {
    const { clock, watch, announced } = begin(Object.fromEntries(ids.map(id => [id, 'UNKNOWN'])));
    await clock.advance(44_000);
    for (const id of ids) watch.markAlive(id);
    await clock.advance(1_000);
    watch.markLeft('n-3999', '');
    watch.onRemoved('n-3998');
    await clock.advance(2_000);
    assert.equal(announced.length, ids.length - 2);
    assert.ok(announced.every(({ node, current }) => current === 'HEALTHY' && !/399[89]/.test(node)));
  });

  test('are announced in the end as their health is read', async () => {
    const { clock, watch, announced } = await watching(ids);
    for (const id of ids.slice(0, 2_000)) watch.markLeft(id, '');
    for (const id of ids.slice(0, 500)) watch.markAlive(id);
    await clock.advance(200_000);
    for (const id of ids)
      assert.equal(announced.findLast(({ node }) => node === id)?.current ?? 'HEALTHY', watch.health(id));
  });

  test('announce nothing more after the watch has stopped', async () => {
    const { clock, watch, announced } = await watching(ids);
    for (const id of ids) watch.markLeft(id, '');
    watch.stop();
    await clock.advance(60_000);
    assert.equal(announced.length, burst);
  });
});
