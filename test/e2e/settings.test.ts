// Each setting has its effect, which is seen in messages or in the list of nodes.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { decodeHeartbeat } from '../../agent/protocol/heartbeat.ts';
import type { Connection } from '../../agent/transport/port.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { openConnection } from '../support/open-connection.ts';
import type { Values } from '../support/settings-text.ts';

describe('a setting', () => {
  let broker: NatsServer;
  let spy: Connection;

  before(async () => {
    broker = await startNatsServer();
    spy = await openConnection(broker.url, 'spy');
  });

  after(async () => {
    await spy.close();
    await broker.release();
  });

  /** Runs `fn` with a cluster for one test. Each test uses other node ids, because the store is the same. */
  async function withCluster(settings: Values, fn: (cluster: Cluster) => Promise<void>): Promise<void> {
    const cluster = await Cluster.create({ servers: broker.url, settings });
    try {
      await fn(cluster);
    } finally {
      await cluster.release();
    }
  }

  /** Counts the reports of each kind until this many of one kind are sent. */
  async function reports(
    id: string,
    kind: 'info' | 'resources' | 'beats',
    count: number,
  ): Promise<{ info: number; resources: number; beats: number }> {
    const seen = { info: 0, resources: 0, beats: 0 };
    const listening = [
      spy.subscribe(`node.management.${id}.UpdateNodeInfo/v1`, () => seen.info++),
      spy.subscribe(`node.management.${id}.UpdateResources/v1`, () => seen.resources++),
      spy.subscribe(`bacalhau.global.compute.${id}.out.heartbeat`, () => seen.beats++),
    ];
    await eventually(`${count} ${kind} of ${id}`, () => seen[kind] >= count);
    for (const one of listening) one.unsubscribe();
    return seen;
  }

  it('compute.infoUpdateFrequency, resourceUpdateFrequency and heartbeatFrequency set the schedule of each report', async () => {
    await withCluster({}, async cluster => {
      await cluster.requester();
      const slow = '10m';
      const pace = async (id: string, kind: 'info' | 'resources' | 'beats', values: Values) => {
        await cluster.agent(id, { 'compute.heartbeatFrequency': '100ms', ...values });
        await cluster.until(id, 'PENDING HEALTHY');
        return reports(id, kind, 20);
      };
      const info = await pace('info', 'info', {
        'compute.infoUpdateFrequency': '100ms',
        'compute.resourceUpdateFrequency': slow,
      });
      assert.equal(info.resources, 0);
      const resources = await pace('res', 'resources', {
        'compute.infoUpdateFrequency': slow,
        'compute.resourceUpdateFrequency': '100ms',
      });
      // The facts of the inventory may cause one more update of the information.
      assert.ok(resources.info <= 1, JSON.stringify(resources));
      const beats = await pace('beat', 'beats', {
        'compute.infoUpdateFrequency': slow,
        'compute.resourceUpdateFrequency': slow,
      });
      assert.ok(beats.info <= 1 && beats.resources === 0, JSON.stringify(beats));
    });
  });

  it('compute.heartbeatTopic and requester.heartbeatTopic set the subject of heartbeats, and with it the encoding', async () => {
    for (const [topic, wildcard, enveloped] of [
      ['cluster.{nodeId}.alive', 'cluster.*.alive', true],
      ['heartbeat', 'heartbeat', false],
    ] as const) {
      await withCluster(
        { 'compute.heartbeatTopic': topic, 'requester.heartbeatTopic': topic },
        async cluster => {
          const id = enveloped ? 'moved' : 'plain';
          const seen: Uint8Array[] = [];
          const listening = spy.subscribe(wildcard, message => seen.push(message.data));
          await cluster.requester();
          await cluster.agent(id, { 'compute.resourceUpdateFrequency': '10m' });
          await eventually('heartbeats on the topic', () => seen.length > 2);
          listening.unsubscribe();
          assert.equal(seen[0]?.[0] === 1, enveloped);
          assert.equal(decodeHeartbeat(seen[0] ?? Buffer.alloc(0)).NodeID, id);
          if (enveloped) await cluster.until(id, 'PENDING HEALTHY');
        },
      );
    }
  });

  it('requester.heartbeatTopic without the other one loses all heartbeats, and the agent logs why', async () => {
    await withCluster({ 'requester.heartbeatTopic': 'elsewhere.{nodeId}' }, async cluster => {
      await cluster.requester();
      const agent = await cluster.agent('unheard', { 'compute.resourceUpdateFrequency': '10m' });
      await agent.untilPrinted(/compute\.heartbeatTopic is .*, but the requester listens on elsewhere/);
      assert.equal((await cluster.status()).counters.heartbeats, 0);
    });
  });

  it('requester.nodeDisconnectedAfter and nodeUnknownAfter set when a silent node is UNHEALTHY and UNKNOWN', async () => {
    const fall = async (values: Values, id: string): Promise<string[]> => {
      let kinds: string[] = [];
      await withCluster(values, async cluster => {
        await cluster.requester();
        const agent = await cluster.agent(id);
        await eventually('the event healthy', async () => (await cluster.kindsOf(id)).includes('healthy'));
        await agent.kill();
        const until = values['requester.nodeUnknownAfter'] === '10m' ? 'UNHEALTHY' : 'UNKNOWN';
        await cluster.until(id, `PENDING ${until}`);
        await eventually('the event of silence', async () => {
          kinds = await cluster.kindsOf(id);
          return kinds.at(-1) === until.toLowerCase();
        });
      });
      return kinds;
    };
    // A requester that stands still from the first time to the second tells only of the second.
    const quickly = { 'requester.nodeDisconnectedAfter': '600ms', 'requester.nodeUnknownAfter': '5s' };
    assert.deepEqual((await fall(quickly, 'fall-1')).slice(-2), ['unhealthy', 'unknown']);
    const late = { 'requester.nodeDisconnectedAfter': '600ms', 'requester.nodeUnknownAfter': '10m' };
    assert.deepEqual((await fall(late, 'fall-2')).slice(-1), ['unhealthy']);
  });

  it('requester.heartbeatFrequency delays only the event: the list of nodes is exact between two checks', async () => {
    await withCluster(
      {
        'requester.heartbeatFrequency': '10m',
        'requester.nodeDisconnectedAfter': '600ms',
        'requester.nodeUnknownAfter': '10m',
      },
      async cluster => {
        await cluster.requester();
        const agent = await cluster.agent('unchecked');
        await cluster.until('unchecked', 'PENDING HEALTHY');
        await agent.kill();
        await cluster.until('unchecked', 'PENDING UNHEALTHY');
        const kinds = await cluster.kindsOf('unchecked');
        assert.deepEqual(
          kinds.filter(kind => /healthy|unknown/.test(kind)),
          [],
        );
      },
    );
  });

  it('requester.manualApproval off approves nodes at once, and requester.maxPending limits those that wait', async () => {
    await withCluster({ 'requester.manualApproval': false }, async cluster => {
      await cluster.requester();
      await cluster.agent('trusted');
      await cluster.until('trusted', 'APPROVED HEALTHY');
    });
    await withCluster({ 'requester.maxPending': 0 }, async cluster => {
      await cluster.requester();
      const agent = await cluster.agent('toomany', {}, { wait: false });
      await agent.untilPrinted(/too many nodes are pending approval \(requester\.maxPending\)/);
      assert.equal(await cluster.stateOf('toomany'), undefined);
    });
  });

  it('compute.rejoinAfterDelete brings a deleted node back at once', async () => {
    await withCluster({}, async cluster => {
      await cluster.requester();
      await cluster.agent('eager', { 'compute.rejoinAfterDelete': true });
      assert.equal((await cluster.command('node', 'approve', 'eager')).code, 0);
      assert.equal((await cluster.command('node', 'delete', 'eager')).code, 0);
      await cluster.until('eager', 'PENDING HEALTHY');
    });
  });

  it('node.labels, node.nameProvider and compute.allocatedCapacity show in the list of nodes', async () => {
    await withCluster({}, async cluster => {
      await cluster.requester();
      await cluster.agent('labelled', {
        'node.labels': 'zone=eu,Disk=ssd',
        'compute.allocatedCapacity.cpu': '500m',
        'compute.allocatedCapacity.memory': '64MiB',
      });
      const node = await cluster.node('labelled');
      assert.equal(node?.Info.Labels?.zone, 'eu');
      assert.equal(node?.Info.Labels?.Disk, 'ssd');
      assert.equal(node?.Info.ComputeNodeInfo.MaxCapacity.CPU, 0.5);
      assert.equal(node?.Info.ComputeNodeInfo.MaxCapacity.Memory, 64 * 1024 * 1024);
    });
  });

  it('changes with SIGHUP, or the role logs that it needs a restart', async () => {
    await withCluster({}, async cluster => {
      await cluster.requester();
      const agent = await cluster.agent('reload', { 'node.labels': 'zone=eu' });
      await cluster.rewrite('agent', 'reload', {
        'node.labels': 'zone=us',
        'compute.heartbeatTopic': 'other.{nodeId}',
      });
      agent.signal('SIGHUP');
      await eventually(
        'the new label',
        async () => (await cluster.node('reload'))?.Info.Labels?.zone === 'us',
      );
      await agent.untilPrinted(/these settings change only with a restart/);
      await cluster.until('reload', 'PENDING HEALTHY');
      await cluster.rewrite('agent', 'reload', { 'compute.heartbeatFrequency': 'soon' });
      agent.signal('SIGHUP');
      await agent.untilPrinted(/the new configuration is wrong; the old one stays in use/);
      assert.ok(agent.running);
    });
  });

  it('that names a file of credentials has it read again on SIGHUP, in both roles', async () => {
    const server = await startNatsServer({ config: 'authorization { token: "first" }' });
    const cluster = await Cluster.create({ servers: server.url });
    try {
      const tokenFile = join(server.folder, 'token');
      await writeFile(tokenFile, 'first', { mode: 0o600 });
      const roles = [
        await cluster.requester({ 'nats.tokenFile': tokenFile }),
        await cluster.agent('rotated', { 'nats.tokenFile': tokenFile }),
      ];
      await writeFile(tokenFile, 'second', { mode: 0o600 });
      for (const role of roles) {
        role.signal('SIGHUP');
        await role.untilPrinted(/the credentials for the broker changed: connecting again with them/);
        await role.untilPrinted(/refused/);
      }
      await server.stop();
      await server.start('authorization { token: "second" }');
      await cluster.until('rotated', 'PENDING HEALTHY');
    } finally {
      await cluster.release();
      await server.release();
    }
  });

  it('that a start would refuse is also refused on SIGHUP, even if it needs a restart', async () => {
    // A requester with its own broker refuses this.
    const cluster = await Cluster.create();
    try {
      const requester = await cluster.requester();
      await cluster.rewrite('requester', 'node-0', { 'broker.port': cluster.apiPort });
      requester.signal('SIGHUP');
      await requester.untilPrinted(
        /api\.port: \d+ is also broker\.port.*the new configuration is wrong; the old one stays in use/,
      );
      assert.ok(requester.running);
    } finally {
      await cluster.release();
    }
  });
});
