// Tests what the agent does while its broker, its requester, its machine or its folder fails.
import assert from 'node:assert/strict';
import { chmod, rm } from 'node:fs/promises';
import { after, describe, test } from 'node:test';
import { steadyRandom } from '../../support/steady-random.ts';
import { newFolder } from '../../support/temporary.ts';
import { asUnprivileged, unprivilegedFolder } from '../../support/unprivileged.ts';
import { AgentBench, accepting, silent } from '../agent-bench.ts';
import { startedTo } from './started.ts';

const hour = 3_600_000;

describe('while the broker is away', () => {
  test('no heartbeat counts as sent; within a second of the broker’s return one is sent', async () => {
    for (const fraction of [0, 0.5, 0.999]) {
      const bench = new AgentBench(await newFolder(), accepting('APPROVED'), steadyRandom(fraction));
      await bench.startTo('approved');
      const sent = bench.beats.length;
      bench.broker.stop();
      await bench.clock.advance(hour);
      assert.match(bench.agent.status().broker, /stopped/);
      assert.equal(bench.agent.status().heartbeats, sent);
      bench.forget();
      bench.broker.start();
      const back = bench.clock.monotonic();
      await bench.clock.advance(1_000);
      const [beat] = bench.beats;
      assert.deepEqual([beat?.Sequence, beat?.session], [sent + 1, 's-1']);
      assert.equal(
        Math.round((beat?.at ?? 0) - back),
        Math.round(fraction * 1_000),
        'the nodes of a fleet do not send in one instant',
      );
      assert.equal(bench.count('UpdateResources/v1'), 1);
      await bench.agent.stop();
    }
  });

  test('an agent that starts then sends its first request when the broker comes', async () => {
    const bench = new AgentBench(await newFolder());
    bench.broker.stop();
    bench.agent.start();
    await bench.clock.advance(hour);
    assert.equal(bench.agent.status().state, 'registering');
    bench.broker.start();
    await bench.until('accepted', () => bench.agent.status().state === 'pending');
    assert.equal(bench.beats[0]?.Sequence, 1);
    await bench.clock.advance(2_000);
    assert.equal(bench.beats.length, 1, 'the first connection does not count as a return');
    await bench.agent.stop();
  });

  test('several returns within a second count as one', async () => {
    const bench = await startedTo('approved', accepting('APPROVED'));
    bench.forget();
    for (let n = 0; n < 20; n++) {
      bench.broker.stop();
      bench.broker.start();
      await bench.clock.advance(20);
    }
    await bench.clock.advance(1_000);
    assert.ok(bench.beats.length <= 2, `${bench.beats.length} heartbeats`);
    await bench.agent.stop();
  });
});

describe('the heartbeats go on while', () => {
  const countHeartbeats = async (bench: AgentBench, ms: number) => {
    bench.forget();
    await bench.clock.advance(ms);
    return bench.beats.length;
  };

  test('a machine that cannot be read is logged once a minute, and the reports go on when it can be', async () => {
    const bench = await startedTo('approved', accepting('APPROVED'));
    bench.machineFault = new Error('EMFILE: too many open files');
    assert.equal(await countHeartbeats(bench, 600_000), 40);
    assert.equal(bench.asked, '');
    assert.ok(
      bench.messages('warn').length <= 22 && bench.messages('warn').length >= 10,
      String(bench.messages('warn').length),
    );
    bench.machineFault = undefined;
    await countHeartbeats(bench, 60_000);
    assert.deepEqual([bench.count('UpdateResources/v1'), bench.count('UpdateNodeInfo/v1')], [2, 1]);
    await bench.agent.stop();
  });

  test('a machine that cannot be read at the start is registered when it can be', async () => {
    const bench = new AgentBench(await newFolder());
    bench.machineFault = new Error('EMFILE: too many open files');
    bench.agent.start();
    await bench.until('logged', () => bench.messages('warn').length > 0);
    bench.machineFault = undefined;
    await bench.clock.advance(10_000);
    assert.equal(bench.agent.status().state, 'pending');
    await bench.agent.stop();
  });

  test('a requester does not answer, or answers only some of the reports', async () => {
    const bench = await startedTo('approved', accepting('APPROVED'));
    bench.reply = silent;
    assert.equal(await countHeartbeats(bench, 600_000), 40);
    assert.deepEqual([bench.count('UpdateResources/v1'), bench.count('UpdateNodeInfo/v1')], [20, 10]);
    assert.ok(bench.messages('warn').length <= 20);
    bench.reply = request =>
      request.method === 'UpdateNodeInfo/v1' ? undefined : accepting('APPROVED')(request);
    assert.equal(await countHeartbeats(bench, 60_000), 4);
    assert.equal(bench.agent.status().state, 'approved');
    await bench.agent.stop();
  });

  test('answers cannot be read', async () => {
    const nonsense = [
      '',
      'nonsense',
      '[]',
      'null',
      '{}',
      '{"value":7}',
      '{"value":null}',
      '{"error":1}',
      '['.repeat(9_000),
    ];
    const bench = await startedTo('approved', accepting('APPROVED'));
    for (const text of [...nonsense, '\u0000', 'x'.repeat(70_000), '{"value":{"Accepted":"yes"}}']) {
      bench.reply = () => text;
      assert.equal(await countHeartbeats(bench, 60_000), 4, text.slice(0, 40));
      assert.equal(bench.agent.status().state, 'approved');
    }
    await bench.agent.stop();
  });

  test('answers that cannot be read do not register a node', async () => {
    for (const text of ['nonsense', '{}', '{"value":null}', 'null', '{"value":[]}']) {
      const bench = new AgentBench(await newFolder(), () => text);
      await bench.start();
      await bench.clock.advance(60_000);
      const { state, troubles } = bench.agent.status();
      assert.equal(state, 'registering', text);
      assert.match(
        troubles?.[0]?.text ?? '',
        /^the requester has not answered for \d+ s; what answers instead cannot be read: /,
      );
      assert.deepEqual(bench.beats, []);
      assert.equal(await bench.sentinel(), undefined);
      await bench.agent.stop();
    }
  });

  test('a folder cannot be written: the node goes on, and writes its sentinel when it can', async () => {
    const folder = await unprivilegedFolder();
    after(() => rm(folder, { recursive: true, force: true }));
    await asUnprivileged(async () => {
      await chmod(folder, 0o500);
      const bench = new AgentBench(folder, accepting('APPROVED'));
      await bench.startTo('approved');
      assert.deepEqual(bench.messages('warn'), [
        'the sentinel could not be written; it is tried again with the next answer',
      ]);
      assert.equal(await countHeartbeats(bench, 60_000), 4);
      assert.equal(await bench.sentinel(), undefined);
      await chmod(folder, 0o700);
      await bench.clock.advance(30_000);
      await bench.agent.stop();
      assert.deepEqual(
        [(await bench.sentinel())?.session, (await bench.sentinel())?.membership],
        ['s-1', 'APPROVED'],
      );
    });
  });
});
