// Tests how an agent starts: without a sentinel, with its own, and with another node's.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { type Sentinel, sentinelPath, writeSentinel } from '../../../agent/compute/registration/sentinel.ts';
import { version } from '../../../agent/system/version.ts';
import { newFolder } from '../../support/temporary.ts';
import { AgentBench, accepting, node, sentinel, silent } from '../agent-bench.ts';
import { startedTo } from './started.ts';

describe('a start', () => {
  test('the first request is a registration with everything that a requester needs', async () => {
    const bench = await startedTo('pending');
    const [register] = bench.requests;
    assert.equal(register?.method, 'RegisterNode/v1');
    assert.deepEqual(register.sender, {
      Version: version,
      Instance: 'i-1',
      BootID: 'boot-1',
      Attempt: 1,
    });
    assert.deepEqual(
      [register.info?.NodeID, register.info?.NodeType, register.info?.Hostname],
      [node, 'Compute', 'host'],
    );
    assert.deepEqual(register.info?.SupportedProtocols, ['bprotocol/v2']);
    assert.equal(register.info?.Agent?.Version, version);
    await bench.agent.stop();
  });

  test('an accepted node sends its first heartbeat at once, under its session, and then its resources', async () => {
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

  test('with a sentinel the first request is an information update, and nothing else is sent before its answer', async () => {
    const folder = await newFolder();
    // An approval was written, so there is nothing to add.
    const approved: Sentinel = { ...sentinel, approvedAt: '2025-12-31T00:00:01.000Z' };
    await writeSentinel(folder, approved);
    const bench = new AgentBench(folder, silent);
    await bench.start();
    assert.equal(bench.asked, 'UpdateNodeInfo');
    assert.deepEqual(
      [bench.requests[0]?.sender?.Session, bench.requests[0]?.sender?.ClusterID],
      ['s-saved', 'c-1'],
    );
    assert.equal(bench.beats.length, 0);
    bench.reply = accepting('APPROVED');
    await bench.clock.advance(5_200);
    assert.equal(bench.agent.status().state, 'approved');
    assert.deepEqual([bench.beats[0]?.Sequence, bench.beats[0]?.session], [1, 's-saved']);
    assert.equal(bench.count('RegisterNode/v1'), 0);
    assert.deepEqual(await bench.sentinel(), approved);
    await bench.agent.stop();
  });

  test('the sentinel of another node is set aside, and the node registers', async () => {
    const folder = await newFolder();
    await writeFile(sentinelPath(folder, node), JSON.stringify({ ...sentinel, node: 'node-2' }));
    const bench = new AgentBench(folder);
    await bench.startTo('pending');
    assert.match(bench.asked, /^RegisterNode/);
    assert.deepEqual(bench.messages('warn'), [
      'the sentinel was set aside (.bad); this node registers again',
    ]);
    assert.equal((await bench.sentinel())?.session, 's-1');
    await bench.agent.stop();
  });

  test('the next start after an acceptance asks under the same session', async () => {
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
    assert.equal(second.beats[0]?.Sequence, 1, 'the numbers begin anew');
    await second.agent.stop();
  });
});
