// Runs the agent under one id of the node, until the process has to stop or an operator gives the node another id.
import { hostname, networkInterfaces } from 'node:os';
import { Agent } from '../compute/agent.ts';
import { ClusterFile } from '../compute/registration/cluster-file.ts';
import { hostOf, LearnedBrokers } from '../compute/registration/learned-brokers.ts';
import type { NodeKey } from '../compute/registration/node-key.ts';
import { Survey } from '../compute/survey/survey.ts';
import type { Settings } from '../config/settings.ts';
import { writeConnectionName } from '../protocol/connection-name.ts';
import { inboxPrefix } from '../protocol/subjects.ts';
import type { StatusNotifier } from '../service/notifier.ts';
import { endsWithin, systemClock } from '../system/clock.ts';
import { limitedLog } from '../system/limited-log.ts';
import type { Log } from '../system/log.ts';
import { systemRandom } from '../system/random.ts';
import { hasCredentials } from '../transport/credentials.ts';
import { connect } from '../transport/nats.ts';
import type { Connection } from '../transport/port.ts';
import { brokerOfAgent, usesPins } from './agent-broker.ts';
import { type Lifetime, sendReady } from './lifetime.ts';
import { loadCluster } from './load-cluster.ts';
import { ownCommand } from './own-command.ts';
import { createCredentialReloader } from './reload-credentials.ts';
import { type ServedMetrics, serveAgentMetrics } from './serve-agent-metrics.ts';
import { agentState } from './service-state.ts';
import { takeNewId } from './take-new-id.ts';
import { warnOfUnencrypted } from './unencrypted.ts';

/**
 * Times for the steps of a stop, in milliseconds. A folder that does not answer must not delay a stop for longer. Their
 * sum, with that for the lock, is less than `muster dev` allows for a stop.
 */
const stopTimeoutsMs = { agent: 900, connection: 300 };

/**
 * How an agent notices that its broker has stopped: 10 to 20 s later. Together with the 15 s between two heartbeats, and
 * the time for another connection, this is less than the 45 s after which a node is UNHEALTHY. Each ping is work for a
 * broker of many thousand nodes.
 */
const agentPings = { pingIntervalMs: 10_000, maxUnansweredPings: 1 };

/** Under which id an agent runs, and whether it starts or goes on (see AgentOptions). */
export interface RunAs {
  node: string;
  isStart: boolean;
}

export interface NodeRun extends RunAs {
  /** The key of the node, which it may exchange while it runs. */
  identity: NodeKey;
  /** The settings at the start of the process, and those after the last reload. */
  first: Settings;
  settings(): Settings;
  /** The agent's own folder. */
  folder: string;
  log: Log;
  notifier: StatusNotifier;
  life: Pick<Lifetime, 'stopRequested'>;
  /** Called when the agent was made, right before it starts. */
  onRunning(running: RunningNode): void;
}

/** What the commands of this machine, and a reload, ask of an agent that runs. */
export interface RunningNode {
  agent: Agent;
  cluster: ClusterFile;
  connection: Pick<Connection, 'state' | 'reconnect'>;
  /** Applies the settings that can change while the agent runs. */
  apply(next: Settings): Promise<void>;
}

/** Runs the agent. Returns how it goes on under the new id of the node; undefined when the process has to stop. */
export async function runNode({ node, identity, folder, log, ...run }: NodeRun): Promise<RunAs | undefined> {
  const { first, notifier, life } = run;
  let agent: Agent | undefined;
  let figures: ServedMetrics | undefined;
  await using cleanup = new AsyncDisposableStack();
  const instance = systemRandom.uuid();
  const limited = limitedLog(log, systemClock);
  const takesId = first.node.id === undefined;
  const renamed = Promise.withResolvers<string>();
  const onRenamed = async (newId: string) => {
    await takeNewId({ folder, node, newId, log });
    renamed.resolve(newId);
    return true;
  };
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
      const intent = (agent?.mayComeBack ?? run.isStart) ? ('register' as const) : undefined;
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
    allocatedCapacity: run.settings().compute.allocatedCapacity,
    labels: run.settings().node.labels,
    declared: run.settings().node.declared,
    address: run.settings().node.address,
  });
  const survey = await Survey.open(
    {
      node,
      folder,
      inventoryCommand: ownCommand('inventory-child'),
      takesId,
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
  const computeSettings = { ...run.settings().compute };
  const running = new Agent({
    node,
    isStart: run.isStart,
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
    ...(takesId ? { onRenamed } : {}),
    authorities: usesPins(first.nats) ? cluster : undefined,
    metricsFailure: () => figures?.failure,
    onChange: () => {
      if (agent?.isAccepted) cluster.onAdmitted(agent.status().cluster);
      notifier.update();
    },
  });
  agent = running;
  const reloadCredentials = createCredentialReloader(first.nats, connection, log);
  run.onRunning({
    agent: running,
    cluster,
    connection,
    async apply(next) {
      // The heartbeat topic changes only with a restart. A requester that still uses the old topic would call the node
      // UNHEALTHY.
      Object.assign(computeSettings, next.compute, { heartbeatTopic: first.compute.heartbeatTopic });
      survey.reload(offer());
      await reloadCredentials();
      running.reload();
    },
  });
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
  const newId = await Promise.race([life.stopRequested.then(() => undefined), renamed.promise]);
  if (newId === undefined) notifier.stopping();
  if (!(await endsWithin(systemClock, stopTimeoutsMs.agent, running.stop({ leaves: newId === undefined }))))
    log.warn({ node }, `${folder} does not answer: the last changes were not written`);
  await Promise.all([survey.close(), connection.close(stopTimeoutsMs.connection)]);
  if (newId === undefined) log.info({ node }, 'stopped');
  return newId === undefined ? undefined : { node: newId, isStart: running.mayComeBack };
}
