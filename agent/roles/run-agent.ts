// Runs the agent of a compute node in the foreground, until it is told to stop.
import { hostname, networkInterfaces } from 'node:os';
import { Agent } from '../compute/agent.ts';
import { ClusterFile } from '../compute/registration/cluster-file.ts';
import { readGivenCode, refuseOtherCluster } from '../compute/registration/given-code.ts';
import { hostOf, LearnedBrokers } from '../compute/registration/learned-brokers.ts';
import { NodeKey } from '../compute/registration/node-key.ts';
import { Survey } from '../compute/survey/survey.ts';
import type { LoadedSettings } from '../config/load.ts';
import type { Settings } from '../config/settings.ts';
import { writeConnectionName } from '../protocol/connection-name.ts';
import { inboxPrefix } from '../protocol/subjects.ts';
import { openNotifier } from '../service/open-notifier.ts';
import { withSandboxHint } from '../service/sandbox.ts';
import { endsWithin, systemClock } from '../system/clock.ts';
import { MusterError, reasonOf } from '../system/errors.ts';
import { removeLeftovers } from '../system/files.ts';
import { limitedLog } from '../system/limited-log.ts';
import { loadNodeId } from '../system/node-id.ts';
import { systemRandom } from '../system/random.ts';
import { hasCredentials } from '../transport/credentials.ts';
import { connect } from '../transport/nats.ts';
import type { Connection } from '../transport/port.ts';
import { brokerOfAgent, usesPins } from './agent-broker.ts';
import { describeHolder } from './describe-holder.ts';
import { holdAgentFolder } from './hold-agent-folder.ts';
import { lifetime, sendReady } from './lifetime.ts';
import { loadCluster } from './load-cluster.ts';
import { ownCommand } from './own-command.ts';
import { createReloader } from './reload.ts';
import { createCredentialReloader } from './reload-credentials.ts';
import { type ServedMetrics, serveAgentMetrics } from './serve-agent-metrics.ts';
import { agentState, starting } from './service-state.ts';
import { startRole } from './start-role.ts';
import { warnOfUnencrypted } from './unencrypted.ts';

/**
 * Times for the steps of a stop, in milliseconds. A folder that does not answer must not delay a stop for longer. Their
 * sum is less than `muster dev` allows for a stop.
 */
const stopTimeoutsMs = { agent: 900, connection: 300, lock: 100 };

/**
 * How an agent notices that its broker has stopped: 10 to 20 s later. Together with the 15 s between two heartbeats, and
 * the time for another connection, this is less than the 45 s after which a node is UNHEALTHY. Each ping is work for a
 * broker of many thousand nodes.
 */
const agentPings = { pingIntervalMs: 10_000, maxUnansweredPings: 1 };

/** Runs the agent until it is told to stop, and returns the exit code. Throws MusterError when it cannot start. */
export async function runAgent(load: () => Promise<LoadedSettings>): Promise<number> {
  const { settings: first, log, data, folder, runtime } = await startRole('agent', load);
  let settings: Settings = first;
  let agent: Agent | undefined;
  let figures: ServedMetrics | undefined;
  const ready = Promise.withResolvers<Answering>();
  await using cleanup = new AsyncDisposableStack();
  const lock = await withSandboxHint('agent', data, () =>
    holdAgentFolder(
      runtime,
      request => answerRoleSocket(request, agent, ready.promise),
      status => `another agent holds ${folder}: ${describeHolder(status)}`,
      systemClock,
    ),
  );
  cleanup.defer(async () => void (await endsWithin(systemClock, stopTimeoutsMs.lock, lock.close())));
  const notifier = await openNotifier(log);
  cleanup.defer(() => notifier.stopping());
  notifier.setSource(() => starting);
  await removeLeftovers(folder);
  const [identity, node] = await Promise.all([
    NodeKey.load(folder),
    loadNodeId({
      folder,
      configured: settings.node.id,
      provider: settings.node.nameProvider,
      random: systemRandom,
    }),
  ]);
  const instance = systemRandom.uuid();
  const limited = limitedLog(log, systemClock);
  const known = await loadCluster({ folder, join: first.join, clock: systemClock, log });
  const cluster = new ClusterFile({ folder, known, node, limitedLog: limited });
  const connectsByKey = !hasCredentials(first.nats);
  const broker = () => brokerOfAgent(first.nats, cluster.known);
  const learned = await LearnedBrokers.load({
    folder,
    broker,
    node,
    interfaces: networkInterfaces,
    clock: systemClock,
    limitedLog: limited,
  });
  const connection = connect({
    servers: () => broker().servers,
    learned: () => learned.addresses,
    onNamed: named => {
      learned.onNamed(named);
      agent?.onNamed();
    },
    ...agentPings,
    name: () => {
      const intent = (agent?.mayComeBack ?? true) ? ('register' as const) : undefined;
      return writeConnectionName({ node, instance, host: hostname(), intent });
    },
    inboxPrefix: () => inboxPrefix(identity.publicKey),
    credentials: () => ({ ...first.nats, key: identity, joinToken: cluster.known?.code }),
    // A refused key is permitted nothing, and the agent asks why and tells that.
    ...(connectsByKey ? { denialLevel: 'debug' as const } : {}),
    // The requester has 10 s to say whether this node is let in.
    connectTimeoutMs: 15_000,
    tls: () => ({ ...broker().tls, onCa: ca => cluster.onAuthority(ca) }),
    clock: systemClock,
    random: systemRandom,
    log,
  });
  warnOfUnencrypted(connection, log);
  const offer = () => ({
    allocatedCapacity: settings.compute.allocatedCapacity,
    labels: settings.node.labels,
    declared: settings.node.declared,
    address: settings.node.address,
  });
  const survey = await Survey.open(
    {
      node,
      folder,
      inventoryCommand: ownCommand('inventory-child'),
      nvmlLibrary: first.node.nvmlLibrary,
      cloudMetadata: first.node.cloudMetadata,
      network: () => ({
        local: connection.state.kind === 'connected' ? connection.state.localAddress : undefined,
        brokerHosts: connection.named().map(hostOf),
        interfaces: networkInterfaces(),
      }),
      log,
    },
    offer(),
  );
  const computeSettings = { ...settings.compute };
  const running = new Agent({
    node,
    identity,
    instance,
    connectsByKey,
    folder,
    settings: computeSettings,
    connection,
    survey,
    clock: systemClock,
    random: systemRandom,
    log,
    pid: process.pid,
    brokers: () => ({ told: broker().servers, learned: learned.addresses }),
    authorities: usesPins(first.nats) ? cluster : undefined,
    metricsFailure: () => figures?.failure,
    onChange: () => {
      if (agent?.isAccepted) cluster.onAdmitted(agent.status().cluster);
      notifier.update();
    },
  });
  agent = running;
  ready.resolve({ agent: running, cluster, connection });
  const reloadCredentials = createCredentialReloader(first.nats, connection, log);
  const reload = createReloader(first, {
    load,
    log,
    notifier,
    async apply(next) {
      settings = next;
      // The heartbeat topic changes only with a restart. A requester that still uses the old topic would call the node
      // UNHEALTHY.
      Object.assign(computeSettings, next.compute, { heartbeatTopic: first.compute.heartbeatTopic });
      survey.reload(offer());
      await reloadCredentials();
      running.reload();
    },
  });
  const life = lifetime(log);
  life.onReload(reload);
  notifier.setSource(() =>
    agentState({
      status: running.status(),
      isAccepted: running.isAccepted,
      connection: connection.state,
      stalled: running.stalled,
      clock: systemClock,
    }),
  );
  connection.onState(() => notifier.update());
  figures = cleanup.use(await serveAgentMetrics(first.metrics, running, log));
  running.start();
  sendReady({ ready: { role: 'agent', node } });
  await life.stopRequested;
  notifier.stopping();
  if (!(await endsWithin(systemClock, stopTimeoutsMs.agent, running.stop())))
    log.warn({ node }, `${folder} does not answer: the last changes were not written`);
  await Promise.all([survey.close(), connection.close(stopTimeoutsMs.connection)]);
  log.info({ node }, 'stopped');
  return 0;
}

/** What the commands of this machine ask of an agent that runs. */
interface Answering {
  connection: Pick<Connection, 'state' | 'reconnect'>;
  agent: Agent;
  cluster: ClusterFile;
}

// What an agent is told while it starts waits until it can be done, so that nothing is lost.
async function answerRoleSocket(
  request: unknown,
  running: Agent | undefined,
  ready: Promise<Answering>,
): Promise<unknown> {
  const { command, code, move, pin } = (request ?? {}) as Record<string, unknown>;
  if (command === 'status')
    return running?.status() ?? { role: 'agent', pid: process.pid, state: 'starting' };
  if (command === 'register') {
    const { agent } = await ready;
    agent.register();
    return agent.status();
  }
  if (command === 'trust') {
    const { agent, cluster, connection } = await ready;
    await cluster.trust(String(pin));
    // The present link, if there is one, is to a broker that was trusted before.
    if (connection.state.kind !== 'connected') connection.reconnect();
    return agent.status();
  }
  if (command === 'rotate-key') {
    const { agent } = await ready;
    await agent.rotateKey();
    return agent.rotation;
  }
  if (command === 'rotation') return running?.rotation ?? { kind: 'none' };
  if (command === 'join') {
    const answering = await ready;
    await takeCode(answering, String(code), move === true);
    return answering.agent.status();
  }
  throw new MusterError('usage', `unknown command: ${reasonOf(command).slice(0, 64)}`);
}

/** Gives the agent a join code. @throws MusterError for a bad code, and for one of another cluster without `move`. */
async function takeCode({ agent, cluster }: Answering, text: string, move: boolean): Promise<void> {
  const code = readGivenCode(text, 'the join code', systemClock.now());
  refuseOtherCluster(cluster.known?.cluster, code, move);
  await cluster.take(code);
  agent.join();
}
