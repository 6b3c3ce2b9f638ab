// Tests what each setting changes, and what an agent logs when its settings do not fit the requester's.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { steadyRandom } from '../../support/steady-random.ts';
import { newFolder } from '../../support/temporary.ts';
import { AgentBench, accepting, bacalhau, node, refusing } from '../agent-bench.ts';
import { startedTo } from './started.ts';

const hour = 3_600_000;

describe('each setting has an effect', () => {
  const counts = (bench: AgentBench) => [
    bench.beats.length,
    bench.count('UpdateResources/v1'),
    bench.count('UpdateNodeInfo/v1'),
  ];

  for (const [setting, expected] of [
    ['heartbeatFrequency', [60, 2, 1]],
    ['resourceUpdateFrequency', [4, 60, 1]],
    ['infoUpdateFrequency', [4, 2, 60]],
  ] as const) {
    test(`${setting} counts from the next wait on, or at once with a reload`, async () => {
      const bench = await startedTo('approved', accepting('APPROVED'));
      await bench.clock.advance(1_000);
      bench.forget();
      bench.settings[setting] = 1_000;
      bench.agent.reload();
      await bench.clock.settle();
      bench.forget();
      await bench.clock.advance(60_000);
      assert.deepEqual(counts(bench), expected);
      bench.settings[setting] = hour;
      await bench.clock.advance(1_000);
      bench.forget();
      await bench.clock.advance(hour - 60_000);
      const index = ['heartbeatFrequency', 'resourceUpdateFrequency', 'infoUpdateFrequency'].indexOf(setting);
      assert.equal(counts(bench)[index], 0);
      await bench.agent.stop();
    });
  }

  test('heartbeatTopic decides where heartbeats go, and in which encoding', async () => {
    for (const [topic, subject, enveloped, session] of [
      ['heartbeat', 'heartbeat', false, undefined],
      ['beats.{nodeId}', 'beats.node-1', true, 's-1'],
    ] as const) {
      const bench = new AgentBench(await newFolder(), accepting(), steadyRandom(0.5), {
        settings: { heartbeatTopic: topic },
      });
      await bench.startTo('pending');
      const { at: _, ...beat } = bench.beats[0] ?? assert.fail('no heartbeat');
      assert.deepEqual(beat, { NodeID: node, Sequence: 1, session, subject, enveloped });
      await bench.agent.stop();
    }
  });

  test('rejoinAfterDelete lets a deleted node register by itself', async () => {
    for (const [rejoin, state] of [
      [false, 'deleted'],
      [true, 'pending'],
    ] as const) {
      const bench = await startedTo('approved', accepting('APPROVED'));
      bench.settings.rejoinAfterDelete = rejoin;
      let isDeleted = true;
      bench.reply = request => {
        if (request.method === 'RegisterNode/v1') isDeleted = false;
        return isDeleted ? refusing('deleted')(request) : accepting()(request);
      };
      bench.event('deleted');
      await bench.clock.advance(0);
      await bench.until(state, () => bench.agent.status().state === state);
      await bench.agent.stop();
    }
  });

  test('a reload sends information and resources at once, as the offer may have changed', async () => {
    const bench = await startedTo('pending');
    bench.forget();
    bench.labels = { zone: 'eu' };
    bench.agent.reload();
    await bench.clock.settle();
    assert.equal(bench.asked, 'UpdateNodeInfo UpdateResources');
    assert.deepEqual(bench.requests[0]?.info?.Labels, { zone: 'eu' });
    assert.equal(bench.scans.at(-1)?.all, true, 'every GPU source is asked');
    await bench.agent.stop();
  });

  test('a reload, or a registration by hand, registers a deleted node', async () => {
    for (const action of ['reload', 'register'] as const) {
      const bench = await startedTo('approved', accepting('APPROVED'));
      bench.reply = refusing('deleted');
      await bench.clock.advance(30_000);
      await bench.until('deleted', () => bench.agent.status().state === 'deleted');
      bench.reply = accepting('PENDING', { Session: 's-2' });
      bench.agent[action]();
      await bench.until('registered', () => bench.agent.status().state === 'pending');
      assert.equal(bench.beats.at(-1)?.session, 's-2');
      await bench.agent.stop();
    }
  });

  test('a reload of a node that is not accepted sends nothing', async () => {
    const bench = await startedTo('refused', refusing('unavailable'));
    bench.forget();
    bench.agent.reload();
    await bench.clock.settle();
    assert.deepEqual([bench.asked, bench.beats], ['', []]);
    await bench.agent.stop();
  });
});

describe('settings that differ from the requester’s', () => {
  const warnings = (bench: AgentBench) => bench.messages('warn');

  test('are logged once per difference, with both values', async () => {
    const requesterSettings = { HeartbeatTopic: 'heartbeat', NodeDisconnectedAfter: 20_000 };
    const bench = await startedTo('approved', accepting('APPROVED', requesterSettings));
    await bench.clock.advance(600_000);
    const topic = `compute.heartbeatTopic is ${bench.settings.heartbeatTopic}, but the requester listens on heartbeat`;
    const slow =
      'compute.heartbeatFrequency is 15000 ms, and the requester calls a node UNHEALTHY after 20000 ms: one lost heartbeat is enough';
    assert.deepEqual(warnings(bench), [`${topic}; ${slow}`]);
    bench.settings.heartbeatFrequency = 10_000;
    await bench.clock.advance(60_000);
    assert.deepEqual(warnings(bench).slice(1), [topic]);
    bench.settings.heartbeatTopic = 'heartbeat';
    await bench.clock.advance(60_000);
    assert.equal(warnings(bench).length, 2, 'nothing differs now');
    bench.settings.heartbeatTopic = 'beats.{nodeId}';
    await bench.clock.advance(60_000);
    assert.equal(warnings(bench).length, 3, 'they differ again');
    await bench.agent.stop();
  });

  test('are not logged again after an answer that has no settings', async () => {
    const requesterSettings = { HeartbeatTopic: 'heartbeat', NodeDisconnectedAfter: 45_000 };
    const bench = await startedTo('approved', accepting('APPROVED', requesterSettings));
    for (let turn = 0; turn < 10; turn++) {
      bench.reply = turn % 2 ? accepting('APPROVED', requesterSettings) : bacalhau;
      await bench.clock.advance(60_000);
    }
    assert.equal(warnings(bench).length, 1);
    await bench.agent.stop();
  });

  test('are not logged where the values fit', async () => {
    const bench = new AgentBench(await newFolder());
    const requesterSettings = {
      HeartbeatTopic: bench.settings.heartbeatTopic,
      NodeDisconnectedAfter: 30_000,
    };
    bench.reply = accepting('APPROVED', requesterSettings);
    await bench.startTo('approved');
    await bench.clock.advance(hour);
    assert.deepEqual(warnings(bench), []);
    assert.deepEqual(
      bench.messages('info'),
      ['the agent starts', 'approved'],
      'nothing is logged in steady state',
    );
    await bench.agent.stop();
  });
});
