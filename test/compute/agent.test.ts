// The agent as its requester sees it: which reports come when, what a setting changes, and what no fault may stop.
import assert from 'node:assert/strict';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { after, describe, test } from 'node:test';
import { type Sentinel, sentinelPath, writeSentinel } from '../../agent/compute/registration/sentinel.ts';
import { encodeErrorResponse, encodeRegisterResponse } from '../../agent/protocol/answers.ts';
import { version } from '../../agent/system/version.ts';
import { seededRandom, steadyRandom } from '../support/steady-random.ts';
import { newFolder } from '../support/temporary.ts';
import { asUnprivileged, unprivilegedFolder } from '../support/unprivileged.ts';
import {
  AgentBench,
  accepting,
  answerer,
  bacalhau,
  key,
  node,
  type Reply,
  refusing,
  silent,
} from './agent-bench.ts';

const hour = 3_600_000;
const kept: Sentinel = {
  version: 1,
  node,
  key,
  cluster: 'c-1',
  requester: 'node-0',
  session: 's-kept',
  membership: 'APPROVED',
  registeredAt: '2025-12-31T00:00:00.000Z',
};

async function startedTo(phase: string, ...rest: [reply?: Reply]): Promise<AgentBench> {
  const bench = new AgentBench(await newFolder(), ...rest);
  await bench.startTo(phase);
  return bench;
}

describe('a start', () => {
  test('registers, with all that a requester wants to know', async () => {
    const bench = await startedTo('pending');
    const [register] = bench.requests;
    assert.equal(register?.method, 'RegisterNode/v1');
    assert.deepEqual(register.sender, {
      Version: version,
      Instance: '00000000-0000-4000-8000-000000000001',
      BootID: 'boot-1',
    });
    assert.deepEqual(
      [register.info?.NodeID, register.info?.NodeType, register.info?.Hostname],
      [node, 'Compute', 'host'],
    );
    assert.deepEqual(register.info?.SupportedProtocols, ['bprotocol/v2']);
    assert.equal(register.info?.Agent?.Version, version);
    await bench.agent.stop();
  });

  test('the first heartbeat comes at once when it is accepted, number 1, under its session; then the resources', async () => {
    const bench = await startedTo('pending');
    const { at: _, ...beat } = bench.beats[0] ?? assert.fail('no heartbeat');
    const subject = 'bacalhau.global.compute.node-1.out.heartbeat';
    assert.deepEqual(beat, { NodeID: node, Sequence: 1, session: 's-1', subject, enveloped: true });
    assert.equal(bench.asked, 'RegisterNode UpdateResources');
    assert.deepEqual(
      [bench.requests[1]?.sender?.Session, bench.requests[1]?.sender?.ClusterID],
      ['s-1', 'c-1'],
    );
    assert.equal(bench.clock.monotonic(), 0);
    await bench.clock.advance(60_000);
    assert.deepEqual(
      bench.beats.map(each => each.Sequence),
      [1, 2, 3, 4, 5],
    );
    assert.equal(bench.count('UpdateNodeInfo/v1'), 1);
    assert.equal(bench.count('UpdateResources/v1'), 3);
    await bench.agent.stop();
  });

  test('with a sentinel: an information update first, and nothing else before its answer', async () => {
    const folder = await newFolder();
    // As an approval leaves it: there is nothing to add.
    const known: Sentinel = { ...kept, approvedAt: '2025-12-31T00:00:01.000Z' };
    await writeSentinel(folder, known);
    const bench = new AgentBench(folder, silent);
    await bench.start();
    assert.equal(bench.asked, 'UpdateNodeInfo');
    assert.deepEqual(
      [bench.requests[0]?.sender?.Session, bench.requests[0]?.sender?.ClusterID],
      ['s-kept', 'c-1'],
    );
    assert.equal(bench.beats.length, 0);
    bench.reply = accepting('APPROVED');
    await bench.clock.advance(5_200);
    assert.equal(bench.agent.status().state, 'approved');
    assert.deepEqual([bench.beats[0]?.Sequence, bench.beats[0]?.session], [1, 's-kept']);
    assert.equal(bench.count('RegisterNode/v1'), 0);
    assert.deepEqual(await bench.sentinel(), known);
    await bench.agent.stop();
  });

  test('with the sentinel of another node: set aside, and registered', async () => {
    const folder = await newFolder();
    await writeFile(sentinelPath(folder, node), JSON.stringify({ ...kept, node: 'node-2' }));
    const bench = new AgentBench(folder);
    await bench.startTo('pending');
    assert.match(bench.asked, /^RegisterNode/);
    assert.deepEqual(bench.said('warn'), ['the sentinel was set aside (.bad); this node registers again']);
    assert.equal((await bench.sentinel())?.session, 's-1');
    await bench.agent.stop();
  });

  test('after a start that was accepted, the next one asks under the same session', async () => {
    const folder = await newFolder();
    const first = new AgentBench(folder);
    await first.startTo('pending');
    await first.agent.stop();
    const second = new AgentBench(folder, accepting('APPROVED'));
    await second.startTo('approved');
    assert.deepEqual(
      [second.requests[0]?.method, second.requests[0]?.sender?.Session],
      ['UpdateNodeInfo/v1', 's-1'],
    );
    assert.equal(second.beats[0]?.Sequence, 1, 'the numbers start over');
    await second.agent.stop();
  });
});

describe('in each phase', () => {
  const rows: [phase: string, reply: Reply, all: boolean, beats: boolean, updates: number][] = [
    ['pending', accepting('PENDING'), true, true, 2],
    ['approved', accepting('APPROVED'), true, true, 2],
    ['registered', bacalhau, true, true, 2],
    // Its questions, later each time, whether it is still rejected.
    ['rejected', refusing('rejected'), false, true, 7],
    ['registering', refusing('unavailable'), false, false, 0],
  ];
  for (const [phase, reply, all, beats, updates] of rows) {
    test(`${phase}: ${all ? 'all reports' : beats ? 'heartbeats alone' : 'none'}`, async () => {
      const bench = await startedTo(phase, reply);
      bench.forget();
      await bench.clock.advance(120_000);
      assert.equal(bench.agent.status().state, phase);
      assert.equal(bench.count('UpdateResources/v1'), all ? 4 : 0);
      assert.equal(bench.count('UpdateNodeInfo/v1'), updates);
      assert.equal(bench.beats.length, beats ? 8 : 0);
      await bench.agent.stop();
    });
  }

  test('deleted: nothing at all, for days', async () => {
    const bench = await startedTo('approved', accepting('APPROVED'));
    bench.reply = refusing('deleted');
    await bench.clock.advance(30_000);
    await bench.until('quiet', () => bench.agent.status().state === 'deleted');
    await bench.until('void', () => bench.said('warn').length > 0);
    assert.equal(await bench.sentinel(), undefined);
    bench.forget();
    await bench.clock.advance(hour);
    assert.deepEqual([bench.requests, bench.beats], [[], []]);
    await bench.agent.stop();
    assert.equal(bench.asked, '', 'it has nothing to leave');
  });

  test('rejected at its registration: its heartbeats carry the session that the refusal gave', async () => {
    const bench = await startedTo('rejected', refusing('rejected'));
    await bench.clock.advance(60_000);
    assert.deepEqual(new Set(bench.beats.map(beat => beat.session)), new Set(['s-r']));
    await bench.agent.stop();
  });

  test('rejected later: its heartbeats go on, and all comes back with an approval', async () => {
    const bench = await startedTo('approved', accepting('APPROVED'));
    bench.reply = refusing('rejected');
    await bench.clock.advance(31_000);
    bench.forget();
    await bench.clock.advance(60_000);
    assert.deepEqual(new Set(bench.beats.map(beat => beat.session)), new Set(['s-1']));
    bench.reply = accepting('APPROVED');
    await bench.clock.advance(120_000);
    assert.equal(bench.agent.status().state, 'approved');
    assert.equal(bench.beats.at(-1)?.session, 's-1');
    assert.ok(bench.count('UpdateResources/v1') > 0);
    await bench.agent.stop();
  });

  test('the store was lost: registered at once, and heard at once under the new session', async () => {
    const bench = await startedTo('approved', accepting('APPROVED'));
    bench.forget();
    let lost = true;
    bench.reply = request => {
      if (request.method === 'RegisterNode/v1') lost = false;
      return lost
        ? refusing('handshake_required')(request)
        : accepting('PENDING', { Session: 's-2' })(request);
    };
    await bench.clock.advance(30_000);
    assert.match(bench.asked, /^UpdateResources RegisterNode/);
    const beat = bench.beats.at(-1);
    assert.deepEqual([beat?.at, beat?.session], [30_000, 's-2']);
    assert.equal(bench.agent.status().state, 'pending');
    await bench.until('kept', () => bench.said('info').includes('pending approval'));
    assert.equal((await bench.sentinel())?.session, 's-2');
    await bench.agent.stop();
  });
});

describe('each setting changes what happens', () => {
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
    test(`${setting}: from the next wait on, or at once with a reload`, async () => {
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

  test('heartbeatTopic: where they go, and in which encoding', async () => {
    for (const [topic, subject, enveloped, session] of [
      ['heartbeat', 'heartbeat', false, undefined],
      ['beats.{nodeId}', 'beats.node-1', true, 's-1'],
    ] as const) {
      const bench = new AgentBench(await newFolder());
      bench.settings.heartbeatTopic = topic;
      await bench.startTo('pending');
      const { at: _, ...beat } = bench.beats[0] ?? assert.fail('no heartbeat');
      assert.deepEqual(beat, { NodeID: node, Sequence: 1, session, subject, enveloped });
      await bench.agent.stop();
    }
  });

  test('rejoinAfterDelete: a deleted node comes back by itself', async () => {
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

  test('a reload sends the information and what is free at once, as the offer may be another', async () => {
    const bench = await startedTo('pending');
    bench.forget();
    bench.labels = { zone: 'eu' };
    bench.agent.reload();
    await bench.clock.settle();
    assert.equal(bench.asked, 'UpdateNodeInfo UpdateResources');
    assert.deepEqual(bench.requests[0]?.info?.Labels, { zone: 'eu' });
    await bench.agent.stop();
  });

  test('a reload, or a registration by hand, brings a deleted node back', async () => {
    for (const bring of ['reload', 'register'] as const) {
      const bench = await startedTo('approved', accepting('APPROVED'));
      bench.reply = refusing('deleted');
      await bench.clock.advance(30_000);
      await bench.until('deleted', () => bench.agent.status().state === 'deleted');
      bench.reply = accepting('PENDING', { Session: 's-2' });
      bench.agent[bring]();
      await bench.until('back', () => bench.agent.status().state === 'pending');
      assert.equal(bench.beats.at(-1)?.session, 's-2');
      await bench.agent.stop();
    }
  });

  test('a reload of a node that is not accepted sends nothing', async () => {
    const bench = await startedTo('registering', refusing('unavailable'));
    bench.forget();
    bench.agent.reload();
    await bench.clock.settle();
    assert.deepEqual([bench.asked, bench.beats], ['', []]);
    await bench.agent.stop();
  });
});

describe('settings that do not fit the requester’s', () => {
  const warnings = (bench: AgentBench) => bench.said('warn');

  test('are told once per difference, with both values', async () => {
    const told = { HeartbeatTopic: 'heartbeat', NodeDisconnectedAfter: 20_000 };
    const bench = await startedTo('approved', accepting('APPROVED', told));
    await bench.clock.advance(600_000);
    const topic = `compute.heartbeatTopic is ${bench.settings.heartbeatTopic}, the requester listens on heartbeat`;
    const slow =
      'compute.heartbeatFrequency is 15000 ms, the requester calls a node UNHEALTHY after 20000 ms: one lost heartbeat is enough';
    assert.deepEqual(warnings(bench), [`${topic}; ${slow}`]);
    bench.settings.heartbeatFrequency = 10_000;
    await bench.clock.advance(60_000);
    assert.deepEqual(warnings(bench).slice(1), [topic]);
    bench.settings.heartbeatTopic = 'heartbeat';
    await bench.clock.advance(60_000);
    assert.equal(warnings(bench).length, 2, 'nothing is wrong now');
    bench.settings.heartbeatTopic = 'beats.{nodeId}';
    await bench.clock.advance(60_000);
    assert.equal(warnings(bench).length, 3, 'wrong again');
    await bench.agent.stop();
  });

  test('an answer without the requester’s settings is no difference', async () => {
    const told = { HeartbeatTopic: 'heartbeat', NodeDisconnectedAfter: 45_000 };
    const bench = await startedTo('approved', accepting('APPROVED', told));
    for (let turn = 0; turn < 10; turn++) {
      bench.reply = turn % 2 ? accepting('APPROVED', told) : bacalhau;
      await bench.clock.advance(60_000);
    }
    assert.equal(warnings(bench).length, 1);
    await bench.agent.stop();
  });

  test('that fit are not worth a line', async () => {
    const bench = new AgentBench(await newFolder());
    const told = { HeartbeatTopic: bench.settings.heartbeatTopic, NodeDisconnectedAfter: 30_000 };
    bench.reply = accepting('APPROVED', told);
    await bench.startTo('approved');
    await bench.clock.advance(hour);
    assert.deepEqual(warnings(bench), []);
    assert.deepEqual(bench.said('info'), ['the agent starts', 'approved'], 'quiet in steady state');
    await bench.agent.stop();
  });
});

describe('events', () => {
  test('an approval reaches the node at once', async () => {
    const bench = await startedTo('pending');
    bench.reply = accepting('APPROVED');
    await bench.clock.advance(5_000);
    bench.event('approved');
    await bench.clock.advance(0);
    assert.equal(bench.agent.status().state, 'approved');
    assert.equal(bench.clock.monotonic(), 5_000);
    await bench.until('kept', () => bench.said('info').includes('approved'));
    assert.ok((await bench.sentinel())?.approvedAt);
    await bench.agent.stop();
  });

  test('a rejected node that is approved asks at once', async () => {
    const bench = await startedTo('rejected', refusing('rejected'));
    await bench.clock.advance(hour);
    bench.forget();
    bench.reply = accepting('APPROVED');
    bench.event('approved');
    await bench.clock.advance(0);
    assert.match(bench.asked, /^UpdateNodeInfo/);
    assert.equal(bench.agent.status().state, 'approved');
    await bench.agent.stop();
  });

  test('none of them changes anything by itself, whatever it says', async () => {
    const bench = await startedTo('pending');
    for (const kind of ['approved', 'rejected', 'deleted']) {
      for (const data of [
        '',
        '{}',
        'nonsense',
        '\u0000'.repeat(100_000),
        '{"data":{"current":{"membership":"APPROVED"}}}',
      ])
        bench.event(kind, data);
    }
    await bench.clock.advance(10_000);
    assert.equal(bench.agent.status().state, 'pending');
    assert.ok(bench.count('UpdateNodeInfo/v1') >= 1);
    await bench.agent.stop();
  });

  test('what the node did itself, and what is not about it, is no reason to ask', async () => {
    const bench = await startedTo('pending');
    bench.forget();
    for (const kind of ['registered', 'updated', 'healthy', 'unhealthy', 'unknown', 'left', 'conflict'])
      bench.event(kind);
    for (const subject of [
      'node.events.node-10.approved',
      'node.events.node-1.x.approved',
      'node.events.approved',
    ])
      bench.broker.inject(subject, '{}');
    await bench.clock.advance(1_000);
    assert.equal(bench.asked, '');
    await bench.agent.stop();
  });

  // One that is not accepted asks by its own waits alone.
  for (const [phase, reply, apart] of [
    ['pending', accepting(), 1],
    ['rejected', refusing('rejected'), 1],
    ['registering', refusing('unavailable'), 5],
  ] as const) {
    test(`a flood of forged ones leads a node that is ${phase} to a question every ${apart} s at most`, async () => {
      const bench = await startedTo(phase, reply);
      // So that only the events lead to questions.
      bench.settings.infoUpdateFrequency = bench.settings.resourceUpdateFrequency = 7 * 24 * hour;
      bench.agent.reload();
      await bench.clock.advance(200_000);
      bench.forget();
      const start = bench.clock.monotonic();
      for (let n = 0; n < 400; n++) {
        for (const kind of ['approved', 'rejected', 'deleted']) bench.event(kind);
        await bench.clock.advance(50 + (n % 7) * 3);
      }
      const seconds = (bench.clock.monotonic() - start) / 1_000;
      const asked = bench.requests.map(each => each.at);
      assert.ok(asked.length <= seconds / apart + 2, `${asked.length} in ${seconds} s`);
      assert.equal(bench.agent.status().state, phase);
      if (phase === 'pending') {
        const waits = asked.slice(1).map((at, index) => at - (asked[index] ?? 0));
        assert.ok(Math.min(...waits) > 999, String(waits));
        assert.ok(asked.length >= seconds - 1, 'but it does ask');
      }
      await bench.agent.stop();
    });
  }
});

describe('the broker is lost', () => {
  test('nothing is counted as sent meanwhile; within a second of its return the node is heard', async () => {
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
        'a fleet comes back spread out',
      );
      assert.equal(bench.count('UpdateResources/v1'), 1);
      await bench.agent.stop();
    }
  });

  test('before the first question: it is asked when the broker comes', async () => {
    const bench = new AgentBench(await newFolder());
    bench.broker.stop();
    bench.agent.start();
    await bench.clock.advance(hour);
    assert.equal(bench.agent.status().state, 'registering');
    bench.broker.start();
    await bench.until('accepted', () => bench.agent.status().state === 'pending');
    assert.equal(bench.beats[0]?.Sequence, 1);
    await bench.clock.advance(2_000);
    assert.equal(bench.beats.length, 1, 'the first connection is no return');
    await bench.agent.stop();
  });

  test('again and again, in a second: one return', async () => {
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

describe('leaving', () => {
  const stopped = async (bench: AgentBench): Promise<string> => {
    bench.forget();
    await bench.agent.stop();
    return bench.asked;
  };

  test('is said to a requester of ours, under the session', async () => {
    for (const [phase, reply, session] of [
      ['pending', accepting('PENDING'), 's-1'],
      ['approved', accepting('APPROVED'), 's-1'],
      ['rejected', refusing('rejected'), 's-r'],
    ] as const) {
      const bench = await startedTo(phase, reply);
      assert.equal(await stopped(bench), 'Leave', phase);
      assert.equal(bench.requests[0]?.sender?.Session, session);
    }
  });

  test('is not said to Bacalhau, nor by a node that is not accepted, nor without a broker', async () => {
    assert.equal(await stopped(await startedTo('registered', bacalhau)), '');
    assert.equal(await stopped(await startedTo('registering', refusing('unavailable'))), '');
    const bench = await startedTo('pending');
    bench.broker.stop();
    assert.equal(await stopped(bench), '');
  });

  test('a refusal without words of ours in between does not make ours another’s', async () => {
    const bench = await startedTo('pending');
    bench.reply = () => encodeErrorResponse('the requester is busy; try again');
    await bench.clock.advance(30_000);
    bench.reply = accepting();
    assert.equal(await stopped(bench), 'Leave');
  });

  test('a node that went over to Bacalhau says nothing to it', async () => {
    const bench = await startedTo('pending');
    bench.reply = bacalhau;
    await bench.clock.advance(30_000);
    assert.equal(await stopped(bench), '');
  });

  test('is given a second', async () => {
    const bench = await startedTo('pending');
    bench.reply = silent;
    const stop = bench.agent.stop();
    await bench.clock.advance(1_000);
    await stop;
    assert.deepEqual(bench.said('debug'), ['nobody answered our leaving']);
  });

  test('ends everything: no report, no question, no timer', async () => {
    for (const [phase, reply] of [
      ['pending', accepting()],
      ['rejected', refusing('rejected')],
      ['registering', refusing('unavailable')],
      ['registered', bacalhau],
    ] as const) {
      const bench = await startedTo(phase, reply);
      await bench.clock.advance(100_000);
      bench.event('approved');
      await bench.agent.stop();
      assert.equal(bench.clock.pending, 0, phase);
      bench.forget();
      bench.event('approved');
      bench.broker.stop();
      bench.broker.start();
      await bench.clock.advance(hour);
      assert.deepEqual([bench.requests, bench.beats, bench.lines], [[], [], []], phase);
    }
  });

  test('reports that are on their way are nobody’s loss then', async () => {
    const bench = await startedTo('registered', bacalhau);
    bench.reply = silent;
    await bench.clock.advance(60_000);
    await bench.agent.stop();
    bench.forget();
    await bench.connection.close();
    await bench.clock.advance(hour);
    assert.deepEqual(bench.lines, []);
  });

  test('does not wait for a requester that hangs', async () => {
    const bench = new AgentBench(await newFolder(), silent);
    await bench.start();
    await bench.agent.stop();
    assert.equal(bench.clock.monotonic(), 0);
  });

  test('an answer that comes during it starts nothing again', async () => {
    const bench = await startedTo('rejected', refusing('rejected'));
    bench.reply = silent;
    await bench.clock.advance(1_000);
    const stop = bench.agent.stop();
    bench.reply = accepting('APPROVED');
    await bench.clock.advance(10_000);
    await stop;
    bench.forget();
    await bench.clock.advance(hour);
    assert.deepEqual([bench.requests, bench.beats, bench.clock.pending], [[], [], 0]);
  });
});

describe('the inventory', () => {
  test('never comes before the first heartbeat, then hourly', async () => {
    const bench = await startedTo('registering', refusing('unavailable'));
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

  test('follows in one information update when it is new, in none when it is not', async () => {
    for (const isNew of [true, false]) {
      const bench = new AgentBench(await newFolder());
      const done = Promise.withResolvers<boolean>();
      bench.inventory = () => done.promise;
      await bench.startTo('pending');
      await bench.clock.advance(1_000);
      bench.forget();
      done.resolve(isNew);
      await bench.clock.settle();
      assert.equal(bench.asked, isNew ? 'UpdateNodeInfo' : '');
      await bench.agent.stop();
    }
  });

  test('that hangs is not joined by a second, and stops no report', async () => {
    const bench = new AgentBench(await newFolder());
    bench.inventory = () => new Promise(() => undefined);
    await bench.startTo('pending');
    bench.forget();
    await bench.clock.advance(5 * hour);
    assert.equal(bench.inventories.length, 1);
    assert.equal(bench.beats.length, (5 * hour) / 15_000);
    await bench.agent.stop();
  });

  test('that fails is told, and tried again', async () => {
    const bench = new AgentBench(await newFolder());
    bench.inventory = async () => assert.fail('no such tool');
    await bench.startTo('pending');
    await bench.clock.advance(hour);
    assert.deepEqual(bench.said('error'), ['the inventory failed', 'the inventory failed']);
    await bench.agent.stop();
  });
});

test('a look for GPUs that finds news is told at once, and with it what is free', async () => {
  const bench = new AgentBench(await newFolder());
  const done = Promise.withResolvers<boolean>();
  bench.look = () => done.promise;
  await bench.startTo('pending');
  await bench.clock.advance(1_000);
  bench.forget();
  done.resolve(true);
  await bench.clock.settle();
  assert.deepEqual(bench.asked.split(' ').sort(), ['UpdateNodeInfo', 'UpdateResources']);
  await bench.agent.stop();
});

describe('nothing stops the heartbeats', () => {
  const beatsIn = async (bench: AgentBench, ms: number) => {
    bench.forget();
    await bench.clock.advance(ms);
    return bench.beats.length;
  };

  test('not a machine that cannot be read: told once a minute, and over when it is over', async () => {
    const bench = await startedTo('approved', accepting('APPROVED'));
    bench.machineFault = new Error('EMFILE: too many open files');
    assert.equal(await beatsIn(bench, 600_000), 40);
    assert.equal(bench.asked, '');
    assert.ok(
      bench.said('warn').length <= 22 && bench.said('warn').length >= 10,
      String(bench.said('warn').length),
    );
    bench.machineFault = undefined;
    await beatsIn(bench, 60_000);
    assert.deepEqual([bench.count('UpdateResources/v1'), bench.count('UpdateNodeInfo/v1')], [2, 1]);
    await bench.agent.stop();
  });

  test('a machine that cannot be read at the start: registered when it can', async () => {
    const bench = new AgentBench(await newFolder());
    bench.machineFault = new Error('EMFILE: too many open files');
    bench.agent.start();
    await bench.until('told', () => bench.said('warn').length > 0);
    bench.machineFault = undefined;
    await bench.clock.advance(10_000);
    assert.equal(bench.agent.status().state, 'pending');
    await bench.agent.stop();
  });

  test('not a requester that answers nothing, or only some of the reports', async () => {
    const bench = await startedTo('approved', accepting('APPROVED'));
    bench.reply = silent;
    assert.equal(await beatsIn(bench, 600_000), 40);
    assert.deepEqual([bench.count('UpdateResources/v1'), bench.count('UpdateNodeInfo/v1')], [20, 10]);
    assert.ok(bench.said('warn').length <= 20);
    bench.reply = request =>
      request.method === 'UpdateNodeInfo/v1' ? undefined : accepting('APPROVED')(request);
    assert.equal(await beatsIn(bench, 60_000), 4);
    assert.equal(bench.agent.status().state, 'approved');
    await bench.agent.stop();
  });

  test('not answers that are none', async () => {
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
      assert.equal(await beatsIn(bench, 60_000), 4, text.slice(0, 40));
      assert.equal(bench.agent.status().state, 'approved');
    }
    await bench.agent.stop();
  });

  test('nor do such answers register a node', async () => {
    for (const text of ['nonsense', '{}', '{"value":null}', 'null', '{"value":[]}']) {
      const bench = new AgentBench(await newFolder(), () => text);
      await bench.start();
      await bench.clock.advance(60_000);
      assert.equal(bench.agent.status().state, 'registering', text);
      assert.deepEqual(bench.beats, []);
      assert.equal(await bench.sentinel(), undefined);
      await bench.agent.stop();
    }
  });

  test('a folder that cannot be written: the node goes on, and keeps its sentinel when it can', async () => {
    const folder = await unprivilegedFolder();
    after(() => rm(folder, { recursive: true, force: true }));
    await asUnprivileged(async () => {
      await chmod(folder, 0o500);
      const bench = new AgentBench(folder, accepting('APPROVED'));
      await bench.startTo('approved');
      assert.deepEqual(bench.said('warn'), [
        'the sentinel could not be written; tried again with the next answer',
      ]);
      assert.equal(await beatsIn(bench, 60_000), 4);
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

test('the status says where it stands', async () => {
  const bench = new AgentBench(await newFolder(), refusing('unavailable'), seededRandom(1));
  await bench.start();
  await bench.until('refused', () => bench.agent.status().reason !== undefined);
  const before = bench.agent.status();
  assert.deepEqual(before, {
    role: 'agent',
    node,
    version,
    pid: 7,
    state: 'registering',
    reason: 'unavailable, in words',
    fingerprint: 'ABCD-EFGH',
    cluster: undefined,
    requester: undefined,
    broker: 'connected to fake://',
    lastHeartbeat: undefined,
    heartbeats: 0,
    lastAcknowledged: undefined,
    conditions: undefined,
  });
  bench.reply = accepting('APPROVED');
  await bench.clock.advance(60_000);
  const { state, reason, cluster, requester, heartbeats, lastHeartbeat, lastAcknowledged } =
    bench.agent.status();
  assert.deepEqual([state, reason, cluster, requester], ['approved', undefined, 'c-1', 'node-0']);
  assert.ok(heartbeats >= 4);
  for (const time of [lastHeartbeat, lastAcknowledged]) assert.match(time ?? '', /^2026-01-01T00:00:/);
  bench.broker.stop();
  assert.equal(bench.agent.status().broker, 'the broker at fake:// is stopped');
  await bench.connection.close();
  assert.equal(bench.agent.status().broker, 'closed');
  await bench.agent.stop();
});

test('another requester of the same cluster is noted, another cluster voids the registration', async () => {
  const bench = await startedTo('approved', accepting('APPROVED'));
  bench.reply = accepting('APPROVED', { RequesterID: 'node-00' });
  await bench.clock.advance(30_000);
  assert.equal(bench.agent.status().requester, 'node-00');
  bench.forget();
  const other = answerer({ ClusterID: 'c-2', Membership: 'PENDING', Session: 's-2' });
  bench.reply = () => encodeRegisterResponse(true, '', other);
  await bench.clock.advance(30_000);
  assert.match(bench.asked, /RegisterNode/);
  assert.deepEqual([bench.agent.status().cluster, bench.agent.status().state], ['c-2', 'pending']);
  await bench.until('kept', () => bench.said('info').includes('pending approval'));
  assert.equal((await bench.sentinel())?.cluster, 'c-2');
  await bench.agent.stop();
});

describe('what a watchdog looks at', () => {
  test('no outage stalls the reports: the broker away, hung, or nobody who answers, for hours', async () => {
    const bench = await startedTo('pending');
    const pass = async (what: string) => {
      for (let minute = 0; minute < 120; minute++) {
        await bench.clock.advance(60_000);
        assert.equal(bench.agent.stalled, undefined, what);
      }
    };
    bench.reply = silent;
    await pass('a requester that does not answer');
    bench.connection.drop();
    await pass('a broker that is away');
    bench.connection.regain();
    bench.reply = refusing('rejected');
    await pass('rejected');
    assert.equal(bench.agent.status().state, 'rejected');
    bench.reply = refusing('deleted');
    await pass('deleted');
    bench.machineFault = new Error('EIO');
    bench.reply = accepting('APPROVED');
    bench.agent.register();
    await pass('a machine that cannot be read');
    await bench.clock.stall(7_200_000);
    assert.equal(bench.agent.stalled, undefined);
    await bench.agent.stop();
    await bench.clock.advance(7_200_000);
    assert.equal(bench.agent.stalled, undefined);
  });

  test('a question that never ends does, and which reports wait for it is told', async () => {
    const bench = await startedTo('approved', accepting('APPROVED'));
    bench.connection.request = () => new Promise(() => undefined);
    await bench.clock.advance(60_000);
    assert.equal(bench.agent.stalled, undefined);
    await bench.clock.advance(60_000);
    assert.equal(bench.agent.stalled, 'information, resources');
  });
});
