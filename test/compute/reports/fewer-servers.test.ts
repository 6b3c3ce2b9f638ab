// Tests that a node asks its requester soon after its broker names few of the servers that it named before.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FewerServers } from '../../../agent/compute/reports/fewer-servers.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { steadyRandom } from '../../support/steady-random.ts';
import { startedTo } from '../agent/started.ts';
import { accepting, silent } from '../agent-bench.ts';

const addresses = (count: number) => Array.from({ length: count }, (_, n) => `10.0.0.${n}:4222`);

function nodeAt(fraction = 0.5) {
  const clock = new FakeClock();
  const asked: number[] = [];
  let named = 0;
  const fewer = new FewerServers({
    connection: { named: () => addresses(named) },
    clock,
    random: steadyRandom(fraction),
    ask: () => asked.push(clock.monotonic()),
  });
  const name = (count: number) => {
    named = count;
    fewer.onNamed();
  };
  return { clock, asked, name };
}

describe('a node whose broker names other servers', () => {
  test('asks three times when half of them are gone at most, the last time after fifteen seconds at least', async () => {
    for (const [fraction, expected] of [
      [0, [5_000, 10_000, 15_000]],
      [0.5, [6_000, 12_000, 18_000]],
    ] as const) {
      const { clock, asked, name } = nodeAt(fraction);
      name(3);
      const began = clock.monotonic();
      name(1);
      await clock.advance(600_000);
      assert.deepEqual(
        asked.map(at => at - began),
        expected,
      );
    }
  });

  test('does not ask while most of them are there, however many come and go', async () => {
    const { clock, asked, name } = nodeAt();
    for (const count of [1, 3, 2, 3, 0, 3, 2, 5, 4, 3]) name(count);
    await clock.advance(600_000);
    assert.deepEqual(asked, []);
  });

  test('counts those that vanish one after the other', async () => {
    const { clock, asked, name } = nodeAt();
    for (const count of [5, 4, 3, 2]) name(count);
    await clock.advance(600_000);
    assert.equal(asked.length, 3);
  });

  test('asks no more when they are back, and anew after the next loss', async () => {
    const { clock, asked, name } = nodeAt();
    name(3);
    name(1);
    await clock.advance(7_000);
    name(3);
    await clock.advance(600_000);
    assert.equal(asked.length, 1);
    name(1);
    name(1);
    await clock.advance(600_000);
    assert.equal(asked.length, 4);
  });
});

test('an agent whose requester does not answer leaves a broker that was cut off before its next reports are due', async () => {
  const bench = await startedTo('approved', accepting('APPROVED'));
  bench.broker.otherAddresses = 2;
  bench.broker.named = addresses(3);
  bench.agent.onNamed();
  await bench.clock.advance(100);
  bench.reply = silent;
  bench.broker.named = addresses(1);
  bench.agent.onNamed();
  bench.forget();
  await bench.clock.advance(24_000);
  assert.ok(bench.count('UpdateResources/v1') >= 3, bench.asked);
  assert.equal(bench.broker.moves, 1);
  bench.reply = accepting('APPROVED');
  await bench.agent.stop();
});
