// Our agent under the orchestrators of Bacalhau's releases: it joins each, stays, comes back, and says that it runs no jobs.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { AgentStatus } from '../../agent/compute/agent-status.ts';
import type { TroubleCode } from '../../agent/system/trouble.ts';
import type { Connection } from '../../agent/transport/port.ts';
import { OrchestratorPeer } from '../support/bacalhau/orchestrator-peer.ts';
import { releases } from '../support/bacalhau/releases.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { startConnection } from '../support/open-connection.ts';
import { muster, type Program } from '../support/program.ts';
import { readShown } from '../support/read-shown.ts';
import { type RecordingProxy, startProxy } from '../support/recording-proxy.ts';

const token = 'the-token-of-the-orchestrator';

// Each has a broker of its own, so they run beside each other: most of the time, an agent waits before it asks again.
describe('under an orchestrator of Bacalhau', { concurrency: true }, () => {
  for (const release of releases) {
    describe(release, { concurrency: 1 }, () => {
      const id = `node-${release.replaceAll('.', '')}`;
      let broker: NatsServer;
      let connection: Connection;
      let proxy: RecordingProxy;
      let cluster: Cluster;
      let orchestrator: OrchestratorPeer;
      let agent: Program;

      const until = (state: string | undefined) =>
        eventually(`${id} is ${state}`, () => orchestrator.stateOf(id) === state).catch(cause => {
          throw new Error(`${id} is ${orchestrator.stateOf(id)} and not ${state}:\n${agent.stderr}`, {
            cause,
          });
        });
      const status = async () => {
        const { code, stdout } = await muster(['status', '-o', 'json', '--data-dir', cluster.folderOf(id)]);
        const { state, troubles = [] } = readShown<AgentStatus[]>(stdout)[0] ?? assert.fail(stdout);
        return { code, state, troubles };
      };
      const hasTrouble = async (wanted: TroubleCode) =>
        (await status()).troubles.some(({ code }) => code === wanted);
      const untilLogged = (message: string, count = 1) =>
        eventually(message, () => agent.logged(message).length >= count);

      before(async () => {
        broker = await startNatsServer({ config: `authorization { token: "${token}" }` });
        connection = startConnection(broker.url, { credentials: () => ({ token }) });
        await connection.connected();
        proxy = await startProxy({ to: broker.port });
        cluster = await Cluster.create({
          servers: `nats://127.0.0.1:${proxy.port}`,
          settings: { 'nats.token': token, 'node.labels.zone': 'one' },
        });
        orchestrator = new OrchestratorPeer({ connection, release, disconnectAfterMs: 1_500 });
        agent = await cluster.agent(id);
      });

      after(async () => {
        await cluster.release();
        await proxy.close();
        await connection.close();
        await broker.release();
      });

      it('it connects with the token, with headers and with the answer for nobody, and its name begins with its id', () => {
        const [options = ''] =
          /CONNECT (\{.*?\})\r\n/.exec(proxy.seen().slice(proxy.seen().lastIndexOf('CONNECT')))?.slice(1) ??
          [];
        const { auth_token, headers, no_responders, name } = JSON.parse(options);
        assert.deepEqual([auth_token, headers, no_responders, name.split(' ')[0]], [token, true, true, id]);
      });

      it('it registers by the older protocol, with its labels and its capacity, and without engines', async () => {
        await until('APPROVED CONNECTED');
        const info = orchestrator.info(id);
        assert.equal(info?.Labels.zone, 'one');
        // From 1.6 on, Bacalhau accepts no node here that lists its newer protocol, and numbers no messages for one that does not.
        assert.deepEqual(info?.SupportedProtocols, ['bprotocol/v2']);
        assert.ok(
          (info?.ComputeNodeInfo.MaxCapacity.CPU ?? 0) > 0 &&
            (info?.ComputeNodeInfo.MaxCapacity.Memory ?? 0) > 0,
        );
        assert.equal(info?.ComputeNodeInfo.ExecutionEngines, null);
        assert.equal((await cluster.sentinel(id))?.cluster, '');
      });

      it('it reports what is free, and stays CONNECTED by the signs of life that this release counts', async () => {
        orchestrator.signs = 0;
        await eventually('ten signs of life', () => orchestrator.signs >= 10);
        await eventually('what is free', () => (orchestrator.available(id)?.Memory ?? 0) > 0);
        await until('APPROVED CONNECTED');
      });

      it('a change of its labels is told in its information', async () => {
        await cluster.rewrite('agent', id, { 'node.labels.zone': 'two' });
        agent.signal('SIGHUP');
        await eventually('the new label', () => orchestrator.info(id)?.Labels.zone === 'two');
      });

      it('asked for a bid, it answers at once and bids for nothing', async () => {
        const execution = `e-${release}`;
        const metadata = { ExecutionID: execution, JobID: `j-${execution}` };
        const versioned = orchestrator.rules.hasJobVersion ? { ...metadata, JobVersion: 1 } : metadata;
        assert.deepEqual(await orchestrator.offer(id, execution), { value: versioned });
        await eventually('the bid', () => orchestrator.bids.has(execution));
        const { Event, ...bid } = orchestrator.bids.get(execution) ?? {};
        const routing = { SourcePeerID: id, TargetPeerID: orchestrator.id };
        assert.deepEqual(bid, { ...routing, ...versioned, Accepted: false, Wait: false });
        assert.match(String((Event as Record<string, unknown>).Message), /runs no jobs/);
      });

      it('it refuses an execution, takes the end of one, and ends a stream of logs', async () => {
        const about = { ExecutionID: 'e-earlier', Justification: 'because' };
        const refused = await orchestrator.ask(id, 'BidAccepted', { ...about, Accepted: true });
        assert.deepEqual([typeof refused.error, refused.value], ['string', null]);
        for (const method of ['BidRejected', 'CancelExecution']) {
          const { value } = await orchestrator.ask(id, method, about);
          assert.deepEqual(value, { ExecutionID: 'e-earlier', JobID: '' }, method);
        }
        const stream = { consumerId: 'c', streamId: 's', heartBeatRequestSub: 'h', body: 'e30=' };
        const { type, closeError } = await orchestrator.ask(id, 'ExecutionLogs', stream);
        assert.deepEqual([type, (closeError as Record<string, unknown>).Code], [2, 5000]);
        await untilLogged('an orchestrator asks about jobs: this node is one of muster, which runs no jobs');
      });

      it('it acknowledges messages about jobs by the newer protocol', async () => {
        assert.equal(
          await orchestrator.message(id, 'CancelExecution', { ExecutionID: 'e-1', Events: null }),
          '{}',
        );
      });

      it('it survives a restart of the orchestrator, which loses its memory', async () => {
        await broker.kill();
        orchestrator.restart();
        await broker.start();
        await until('APPROVED CONNECTED');
      });

      it('after a silence it is CONNECTED again', async () => {
        agent.signal('SIGSTOP');
        await until('APPROVED DISCONNECTED');
        agent.signal('SIGCONT');
        await until('APPROVED CONNECTED');
      });

      it('a rejected node says so and stays away, and comes back with an approval', async () => {
        orchestrator.reject(id);
        await untilLogged('this node was rejected by an operator; it keeps asking, in case that changes');
        orchestrator.asked.length = 0;
        // A report may have been on its way.
        const since = () => orchestrator.asked.slice(orchestrator.asked.indexOf('RegisterNode'));
        await eventually('it asks twice', () => since().filter(each => each === 'RegisterNode').length > 1);
        assert.deepEqual(new Set(since()), new Set(['RegisterNode']));
        const { code, state } = await status();
        assert.deepEqual([code, state], [1, 'rejected']);
        orchestrator.approve(id);
        await until('APPROVED CONNECTED');
        await eventually('the agent knows it', async () => (await status()).state === 'registered');
      });

      it('a deleted node comes back by itself, with the membership of a newcomer', async () => {
        orchestrator.newcomers = 'PENDING';
        orchestrator.delete(id);
        await until('PENDING CONNECTED');
        orchestrator.approve(id);
      });

      it('while the orchestrator answers with errors, the agent says that it is refused, and goes on asking', async () => {
        // Until its information is taken, the agent counts how often it was forgotten, which it would tell first.
        orchestrator.asked.length = 0;
        await eventually('it sends its information', () => orchestrator.asked.includes('UpdateNodeInfo'));
        orchestrator.broken = 'nats: timeout';
        await untilLogged('the requester refused; asking again');
        await eventually('its status says so', () => hasTrouble('refused'));
        orchestrator.broken = undefined;
        await eventually('it is not refused any more', async () => !(await hasTrouble('refused')));
        await until('APPROVED CONNECTED');
      });

      if (['1.4.0', '1.5.2'].includes(release)) {
        it('one that takes a deleted id never back is a trouble in the status, with what helps', async () => {
          orchestrator.forgets.add(id);
          orchestrator.delete(id);
          await eventually('the status says so', () => hasTrouble('not_kept'));
          const { code, troubles } = await status();
          assert.equal(code, 1);
          const { hint = '' } = troubles.find(({ code }) => code === 'not_kept') ?? {};
          assert.match(hint, /give the node another one \(node\.id\)/);
          const doctor = await muster(['doctor', '--data-dir', cluster.folderOf(id)]);
          assert.match(doctor.stdout.replaceAll(/\s+/g, ' '), /the orchestrator does not keep this node/);
          orchestrator.forgets.delete(id);
          await until('PENDING CONNECTED');
        });
      }

      it('at a stop, an orchestrator from 1.6 on is told, and the others miss the heartbeats', async () => {
        // One that was silent for a moment registers again, and says nothing until then.
        await eventually('it is registered', async () => (await status()).state === 'registered');
        await until(`${release < '1.6' ? 'PENDING' : 'APPROVED'} CONNECTED`);
        orchestrator.asked.length = 0;
        assert.equal((await agent.stop()).code, 0);
        // The request may still be on its way when the agent has ended.
        if (orchestrator.rules.needsHandshake)
          await eventually('it shakes hands', () => orchestrator.asked.includes('HandshakeRequest'));
        else assert.ok(!orchestrator.asked.includes('HandshakeRequest'));
        await until(`${release < '1.6' ? 'PENDING' : 'APPROVED'} DISCONNECTED`);
        const asked = new Set(orchestrator.asked);
        assert.ok(!asked.has('Leave'), 'Bacalhau knows no Leave');
        // An agent waits only for a part of a second that it is heard.
        const isTold = asked.has('ShutdownNoticeRequest');
        assert.equal(orchestrator.lastError === 'graceful shutdown', isTold);
        // A broker that is slow still has the subscriptions of an agent that has just ended.
        await eventually('nobody answers for it', () =>
          orchestrator.offer(id, 'e-late').then(
            () => false,
            ({ fault }) => fault === 'no_responders',
          ),
        );
      });
    });
  }
});
