// The command line of each release of Bacalhau drives a requester of ours.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { version } from '../../agent/system/version.ts';
import type { Connection } from '../../agent/transport/port.ts';
import {
  CommandFailure,
  CommandLinePeer,
  type CommandLineUser,
  type ShownNode,
} from '../support/bacalhau/command-line-peer.ts';
import { facts, releases } from '../support/bacalhau/releases.ts';
import { capture, envelopeOf } from '../support/captures.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/listener.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { openConnection } from '../support/open-connection.ts';
import type { Program } from '../support/program.ts';

const recorded = 'n-7c1d2a34-5b6e-4f70-8a91-b2c3d4e5f607';
const idsOf = (nodes: ShownNode[]) => nodes.map(({ Info }) => Info.NodeID);

describe('the command line of Bacalhau', () => {
  let broker: NatsServer;
  let node: Connection;
  let cluster: Cluster;
  let token: string;

  before(async () => {
    broker = await startNatsServer();
    node = await openConnection(broker.url, recorded);
    const settings = { 'requester.nodeDisconnectedAfter': '1h', 'requester.nodeUnknownAfter': '2h' };
    cluster = await Cluster.create({ servers: broker.url, settings });
    await cluster.requester();
    token = await cluster.operatorToken();
  });

  after(async () => {
    await cluster.release();
    await node.close();
    await broker.release();
  });

  /** Sends a recorded request of the newer protocol for a node with this id. */
  const send = (name: string, id: string, more: { Labels?: object; AvailableCapacity?: object } = {}) => {
    const { subject, bytes } = capture(`ncl/transport.${name}`);
    const message = JSON.parse(bytes.toString('utf8', 5).replaceAll(recorded, id));
    Object.assign(message.payload.NodeInfo ?? message.payload, more);
    return node.request(subject.replace(recorded, id), envelopeOf(JSON.stringify(message)), 10_000);
  };

  for (const release of releases) {
    const { commandLine } = facts[release];
    const prefix = `of-${release.replaceAll('.', '')}`;
    const id = (number: number) => `${prefix}-${number}`;
    const own = `release=${prefix}`;
    const commands = (user: CommandLineUser = { types: token }) =>
      new CommandLinePeer(release, `http://127.0.0.1:${cluster.apiPort}`, user);

    /** Checks what a command prints when it fails: later releases the message and the hint, the earlier one all of it. */
    const fails = (running: Promise<unknown>, status: number, message: string, hint = '') =>
      assert.rejects(running, (error: unknown) => {
        assert.ok(error instanceof CommandFailure, String(error));
        if (commandLine.showsRefusal === 'message') {
          assert.deepEqual([error.message, error.hint], [message, hint]);
          return true;
        }
        const [, code, body = ''] = /^Unexpected response code: (\d+) \((.*)\)$/.exec(error.message) ?? [];
        const { Message, Hint = '' } = JSON.parse(body);
        assert.deepEqual([code, Message, Hint], [String(status), message, hint]);
        return true;
      });

    describe(release, () => {
      before(async () => {
        for (const [number, env] of [
          [1, 'prod'],
          [10, 'prod'],
          [2, 'dev'],
          [3, 'dev'],
        ] as const)
          await send('HandshakeRequest', id(number), { Labels: { release: prefix, env } });
        const AvailableCapacity = { CPU: 64, Memory: 2e12, Disk: 2e13, GPU: 8 };
        for (const number of [10, 3]) await send('HeartbeatRequest', id(number), { AvailableCapacity });
        await send('ShutdownNoticeRequest', id(3));
        await cluster.until(id(3), 'PENDING UNKNOWN');
      });

      it('logs in with the first command, and shows the token that it kept with the second', async () => {
        const peer = commands();
        await peer.list();
        assert.deepEqual(peer.requests.splice(0), [
          'GET /api/v1/auth',
          'POST /api/v1/auth/OperatorToken',
          'GET /api/v1/orchestrator/nodes',
        ]);
        assert.equal(peer.keptToken, token);
        await peer.list();
        assert.deepEqual(peer.requests, ['GET /api/v1/orchestrator/nodes']);
        assert.equal(peer.headers.get('x-bacalhau-git-version'), `muster-${version}`);
      });

      it('lists the nodes by membership, connection and labels, in each order, and not more than the limit', async () => {
        const peer = commands();
        const list = async (flags: Parameters<CommandLinePeer['list']>[0]) =>
          idsOf(await peer.list({ ...flags, labels: [own, ...(flags?.labels ?? [])] }));
        const all = [id(1), id(10), id(2), id(3)];
        assert.deepEqual(await list({}), all);
        const [first, , , last] = await peer.list({ labels: [own] });
        assert.deepEqual(
          [first?.Info.NodeType, first?.Membership, first?.Connection, last?.Connection],
          ['Compute', 'PENDING', 'CONNECTED', 'DISCONNECTED'],
        );
        assert.equal(
          first?.ConnectionState?.Status,
          commandLine.hasConnectionState ? 'CONNECTED' : undefined,
        );
        assert.deepEqual(await list({ 'filter-approval': 'pending' }), all);
        assert.deepEqual(await list({ 'filter-approval': 'rejected' }), []);
        assert.deepEqual(await list({ 'filter-status': 'connected' }), all.slice(0, 3));
        assert.deepEqual(await list({ 'filter-status': 'disconnected' }), [id(3)]);
        assert.deepEqual(await list({ labels: ['env=prod'] }), [id(1), id(10)]);
        assert.deepEqual(await list({ labels: ['env in (dev,test)', '!gpu'] }), [id(2), id(3)]);
        assert.deepEqual(await list({ 'order-reversed': true }), all.toReversed());
        assert.deepEqual(await list({ limit: 2, 'next-token': 'ignored' }), [id(1), id(10)]);
        // What a node has that is disconnected is not available.
        for (const resource of ['cpu', 'memory', 'disk', 'gpu'])
          assert.deepEqual(await list({ 'order-by': `available_${resource}` }), [
            id(10),
            id(1),
            id(2),
            id(3),
          ]);
        assert.deepEqual(await list({ 'order-by': 'status', 'order-reversed': true, limit: 1 }), [id(3)]);
        const [self] = await peer.list({ 'order-by': 'type', limit: 1 });
        assert.deepEqual([self?.Info.NodeType, self?.Connection], ['Requester', 'CONNECTED']);
        const orders =
          'id, type, available_cpu, available_memory, available_disk, available_gpu, approval, status';
        await fails(peer.list({ 'order-by': 'age' }), 400, `invalid order_by; allowed: ${orders}`);
      });

      it('describes a node by its id and by the beginning of it, and says which nodes an unclear beginning means', async () => {
        const peer = commands();
        assert.equal((await peer.describe(id(10))).Info.NodeID, id(10));
        assert.equal((await peer.describe(id(2))).Info.Labels?.env, 'dev');
        assert.equal((await peer.describe(`${prefix}-3`)).Membership, 'PENDING');
        await fails(peer.describe('nobody'), 404, 'node not found: nobody');
        const ids = [id(1), id(10), id(2)].join(' ');
        const unclear = `multiple nodes found for prefix: ${prefix}, matching IDs: [${ids} ...]`;
        await fails(peer.describe(prefix), 409, unclear, 'Use a more specific node ID prefix');
        await fails(peer.decide('approve', prefix), 409, unclear, 'Use a more specific node ID prefix');
      });

      it('approves, rejects and deletes with one event each, and the second time fails with the reason and without an event', async () => {
        const peer = commands();
        /** Expects these events of decisions, which come a moment after the answers. */
        const areTold = async (node: string, kinds: string[]) => {
          const told = async () =>
            (await cluster.kindsOf(node)).filter(kind => /^(approved|rejected|deleted)$/.test(kind));
          await eventually(`${node} ${kinds} is told`, async () => (await told()).length >= kinds.length);
          assert.deepEqual(await told(), kinds);
        };
        assert.equal(await peer.decide('approve', id(2), 'checked'), 'Ok');
        await fails(peer.decide('approve', id(2)), 409, `node ${id(2)} already approved`);
        assert.deepEqual(idsOf(await peer.list({ 'filter-approval': 'approved', labels: [own] })), [id(2)]);
        assert.equal(await peer.decide('reject', id(2), 'bad disk'), 'Ok');
        await fails(peer.decide('reject', id(2)), 409, `node ${id(2)} already rejected`);
        await areTold(id(2), ['approved', 'rejected']);
        assert.equal(await peer.decide('delete', id(3)), 'Ok');
        await fails(peer.decide('delete', id(3)), 404, `node not found: ${id(3)}`);
        await areTold(id(3), ['deleted']);
        assert.deepEqual(idsOf(await peer.list({ labels: [own] })), [id(1), id(10), id(2)]);
        const { Membership, Muster } = (await cluster.node(id(2))) ?? assert.fail();
        assert.deepEqual([Membership, Muster.Decision?.Reason], ['REJECTED', 'bad disk']);
      });

      it('approves the node whose id is the beginning of another one', async () => {
        assert.equal(await commands().decide('approve', id(1)), 'Ok');
        assert.equal(await cluster.stateOf(id(1)), 'APPROVED HEALTHY');
        assert.equal(await cluster.stateOf(id(10)), 'PENDING HEALTHY');
      });

      it('asks the requester about itself', async () => {
        const peer = commands();
        assert.deepEqual(await peer.agentAlive(), { Status: 'OK' });
        assert.equal((await peer.agentVersion()).GitVersion, `muster-${version}`);
        assert.equal(await peer.version(), `muster-${version}`);
        const asked = await peer.agentNode();
        const { NodeID } = (commandLine.agentNode === 'node state' ? asked.Info : asked) as ShownNode['Info'];
        assert.equal(NodeID, 'node-0');
        if (!commandLine.hasAgentConfig) return;
        const { API, Orchestrator } = (await peer.agentConfig()) as Record<string, unknown>;
        assert.deepEqual(API, { Host: '127.0.0.1', Port: cluster.apiPort });
        assert.deepEqual(Orchestrator, {
          Enabled: true,
          NodeManager: { DisconnectTimeout: '1h0m0s', ManualApproval: true },
        });
      });

      it('finds no jobs, and is told that none are run', async () => {
        const peer = commands();
        const hint =
          'muster keeps the roll of nodes and runs no jobs; send jobs to an orchestrator of Bacalhau';
        assert.deepEqual(await peer.jobList(), []);
        await fails(peer.jobDescribe('j-1'), 404, 'job not found: j-1', hint);
        await fails(peer.jobRun(), 501, 'muster runs no jobs', hint);
      });

      it('reads without a token on the loopback and asks for one again, but changes nothing', async () => {
        const peer = commands({ types: '' });
        assert.ok((await peer.list({ labels: [own] })).length > 0);
        assert.equal(peer.keptToken, '');
        const where = `the one of this machine is in ${cluster.folderOf('node-0')}/requester/operator.token`;
        const change = peer.decide('approve', id(10));
        await fails(change, 403, "this change needs an operator's token", `${where}, for its user and root`);
        assert.equal(await cluster.stateOf(id(10)), 'PENDING HEALTHY');
      });

      it('with a token that nobody knows says only that it is refused', async () => {
        const refused = commandLine.onRefusedToken === 'asks again' ? 'invalid token' : 'unauthorized';
        await assert.rejects(commands({ types: 'mop_eve_x' }).list(), { message: refused });
      });

      if (commandLine.readsEnvironment)
        it('takes a token from its environment without a login, and a name with a password is refused clearly', async () => {
          const peer = commands({ environment: { apiKey: token } });
          assert.equal(await peer.decide('approve', id(10)), 'Ok');
          assert.deepEqual(peer.requests, [`PUT /api/v1/orchestrator/nodes/${id(10)}`]);
          await fails(
            commands({ environment: { username: 'ada', password: 'x' } }).decide('reject', id(10)),
            403,
            'muster knows no user names and passwords',
            "show an operator's token as a bearer token; Bacalhau from 1.7 on takes it from BACALHAU_API_KEY",
          );
        });
    });
  }

  describe('where reading needs a token', () => {
    let port: number;
    let requester: Program;

    before(async () => {
      port = await freePort();
      requester = await cluster.requester(
        { 'api.port': port, 'api.openReads': false },
        { id: 'node-closed' },
      );
    });

    for (const release of releases) {
      const { onRefusedToken, withoutLogin } = facts[release].commandLine;
      const refused = { message: onRefusedToken === 'asks again' ? 'invalid token' : 'unauthorized' };
      const commands = (types: string) => new CommandLinePeer(release, `http://127.0.0.1:${port}`, { types });

      it(`${release} reads with one and not without, and what never shows one is refused`, async () => {
        await assert.rejects(commands('').list(), refused);
        const peer = commands(token);
        assert.ok((await peer.list()).length > 0);
        for (const [name, ask] of [
          ['agent alive', () => peer.agentAlive()],
          ['agent version', () => peer.agentVersion()],
          ['version', () => peer.version()],
        ] as const) {
          const showsToken = !withoutLogin.commands.includes(name) || withoutLogin.showsToken;
          await (showsToken ? ask() : assert.rejects(ask(), refused));
        }
      });
    }

    it('sees in the configuration what a reload has changed', async () => {
      const peer = new CommandLinePeer('1.6.5', `http://127.0.0.1:${port}`, { types: token });
      const isManual = async () => {
        const { Orchestrator } = (await peer.agentConfig()) as {
          Orchestrator: { NodeManager: { ManualApproval: boolean } };
        };
        return Orchestrator.NodeManager.ManualApproval;
      };
      assert.equal(await isManual(), true);
      await cluster.rewrite('requester', 'node-closed', { 'requester.manualApproval': false });
      requester.signal('SIGHUP');
      await eventually('the configuration has changed', async () => (await isManual()) === false);
    });
  });
});
