// Tests when the inventory is taken and the GPUs are scanned, and which reports follow.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { newFolder } from '../../support/temporary.ts';
import { AgentBench, accepting, refusing } from '../agent-bench.ts';
import { startedTo } from './started.ts';

const hour = 3_600_000;

describe('the inventory', () => {
  test('is taken after the first heartbeat, then every hour', async () => {
    const bench = await startedTo('refused', refusing('unavailable'));
    await bench.clock.advance(2 * hour);
    assert.deepEqual(bench.inventories, []);
    bench.reply = accepting();
    await bench.clock.advance(20_000);
    const [beat] = bench.beats;
    assert.ok(beat);
    await bench.clock.advance(2 * hour);
    assert.deepEqual(bench.inventories, [beat.at, beat.at + hour, beat.at + 2 * hour]);
    await bench.agent.stop();
  });

  test('leads to an information update when it changed, and to none when it did not', async () => {
    for (const isChanged of [true, false]) {
      const bench = new AgentBench(await newFolder());
      const done = Promise.withResolvers<boolean>();
      bench.inventory = () => done.promise;
      await bench.startTo('pending');
      await bench.clock.advance(1_000);
      bench.forget();
      done.resolve(isChanged);
      await bench.clock.settle();
      assert.equal(bench.asked, isChanged ? 'UpdateNodeInfo' : '');
      await bench.agent.stop();
    }
  });

  test('that hangs is not taken a second time, and stops no report', async () => {
    const bench = new AgentBench(await newFolder());
    bench.inventory = () => new Promise(() => undefined);
    await bench.startTo('pending');
    bench.forget();
    await bench.clock.advance(5 * hour);
    assert.equal(bench.inventories.length, 1);
    assert.equal(bench.beats.length, (5 * hour) / 15_000);
    await bench.agent.stop();
  });

  test('that fails is logged, and tried again', async () => {
    const bench = new AgentBench(await newFolder());
    bench.inventory = async () => assert.fail('no such tool');
    await bench.startTo('pending');
    await bench.clock.advance(hour);
    assert.deepEqual(bench.messages('error'), ['the inventory failed', 'the inventory failed']);
    await bench.agent.stop();
  });
});

test('a GPU scan that changes something leads to a resource report and an information update at once', async () => {
  const bench = new AgentBench(await newFolder());
  const done = Promise.withResolvers<boolean>();
  bench.scan = () => done.promise;
  await bench.startTo('pending');
  await bench.clock.advance(1_000);
  bench.forget();
  done.resolve(true);
  await bench.clock.settle();
  assert.deepEqual(bench.asked.split(' ').sort(), ['UpdateNodeInfo', 'UpdateResources']);
  await bench.agent.stop();
});
