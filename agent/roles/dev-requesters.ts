// Runs the requesters of `muster dev`: one with its own broker, or several, which all use a broker beside them.
import { brokerFiles } from '../broker/broker-files.ts';
import { stopOrphan } from '../broker/orphan.ts';
import { roleFolder, runtimeFolder } from '../config/paths.ts';
import type { Settings } from '../config/settings.ts';
import { systemClock } from '../system/clock.ts';
import { makeFolder } from '../system/files.ts';
import type { Log } from '../system/log.ts';
import { askHolder } from '../system/role-socket.ts';
import { apiFlags, brokerPortFlags, clientFlags, configFlags, type DevNode, nodeFlags } from './dev-nodes.ts';
import { type DevProcess, startProcess, stopProcess, supervise } from './dev-process.ts';
import type { Lifetime } from './lifetime.ts';

/**
 * Times for the steps of a stop, in milliseconds. Together with that of the agents they are less than a stop may take. A
 * requester with its own broker stops that too; what is left when that process was killed may hang.
 */
const stopTimeoutsMs = { oneRequester: 3_200, severalRequesters: 1_700, broker: 1_500, orphan: 100 };

/** Time after which a requester that ended is started again while others run, in milliseconds: long enough to watch them. */
const watchedMs = 15_000;
/** The same when no other one runs. */
const aloneMs = 1_000;

export interface DevRequestersOptions {
  /** The requesters, the first one at the beginning. */
  nodes: readonly [DevNode, ...DevNode[]];
  settings: Settings;
  configFile: string | undefined;
  life: Lifetime;
  log: Log;
  /** Everything that runs is stopped by this, in reverse order. */
  cleanup: AsyncDisposableStack;
  print(text: string): void;
}

/** What the agents need to know of the requesters that run. */
export interface DevCluster {
  /** The addresses of the APIs, that of the first requester at the beginning. */
  apis: readonly string[];
  /** The id of the cluster. */
  cluster: string | undefined;
  /** The flags by which agents find the broker; empty for the one in the settings. */
  brokerFlags: readonly string[];
}

export interface DevRequesters {
  /** Resolves when all are ready. */
  up: Promise<DevCluster>;
  /** Resolves with an exit code when the cluster cannot start, or cannot go on. */
  ended: Promise<number>;
}

/** Runs one requester with its own broker, unless the settings name another one. When it ends, the cluster ends. */
export function runOneRequester(options: DevRequestersOptions): DevRequesters {
  const { settings, configFile, life, log, cleanup, print } = options;
  const [node] = options.nodes;
  const flags = [...configFlags(configFile), ...nodeFlags(node), ...apiFlags(settings, 0)];
  const requester = startProcess(['requester', ...flags, ...brokerPortFlags(settings)]);
  // When a requester was killed, its broker still runs.
  cleanup.defer(() => stopBroker(node.folder, log));
  cleanup.defer(() => stopProcess(requester, stopTimeoutsMs.oneRequester));
  const up = Promise.withResolvers<DevCluster>();
  let isUp = false;
  void requester.ready.then(message => {
    if (!message) return;
    isUp = true;
    const { api = '', broker, caFile, cluster } = message.ready;
    print(`${node.id}  requester is up: API ${api}\n`);
    print(`${node.id}  broker ${broker ?? settings.nats.servers.join(' ')}\n`);
    up.resolve({ apis: [api], cluster, brokerFlags: broker ? clientFlags(broker, caFile) : [] });
  });
  const ended = requester.exit.then(({ code, how }) => {
    if (isUp && !life.stopping) print(`${node.id}  requester ended (${how}): stopping the cluster\n`);
    return code;
  });
  return { up: up.promise, ended };
}

/**
 * Runs several requesters, and beside them the broker that they all use, unless the settings name one. A requester that
 * ended is started again, so that a person can watch the others go on without it. @throws MusterError
 */
export async function runSeveralRequesters(options: DevRequestersOptions): Promise<DevRequesters> {
  const { nodes, settings, configFile, life, cleanup, print } = options;
  const broker = await startBrokerBeside(options);
  const found = broker ? await Promise.race([broker.ready, life.stopRequested]) : undefined;
  const never = new Promise<never>(() => undefined);
  const brokerEnded = broker?.exit.then(({ code, how }) => {
    if (found && !life.stopping) print(`broker  ended (${how}): stopping the cluster\n`);
    return code === 0 ? 1 : code;
  });
  if (broker && !found) return { up: never, ended: brokerEnded ?? never };
  const { broker: url, caFile, servers = [] } = found?.ready ?? {};
  print(`broker  ${url ?? settings.nats.servers.join(' ')}\n`);
  const brokerFlags = url ? clientFlags(url, caFile) : [];
  const advertised = servers.map(server => server.replace(/^\w+:\/\//, '')).join();
  const addressFlags = advertised === '' ? [] : ['--broker-advertise', advertised];
  const running = new Set<DevProcess>();
  cleanup.defer(async () => {
    await Promise.all([...running].map(one => stopProcess(one, stopTimeoutsMs.severalRequesters)));
  });
  cleanup.defer(() => life.requestStop());
  const supervised = nodes.map((node, index) => {
    const flags = [...configFlags(configFile), ...nodeFlags(node), ...apiFlags(settings, index)];
    return supervise({
      args: ['requester', ...flags, ...brokerFlags, ...addressFlags],
      running,
      life,
      onReady: ({ api }, { process }) =>
        print(`${node.id}  requester is up: API ${api}, process ${process.pid}\n`),
      onEnd: how => {
        const isAlone = running.size === 0;
        const text = isAlone
          ? 'starting it again'
          : `the cluster goes on; in ${watchedMs / 1_000} s it is started again`;
        print(`${node.id}  requester ended (${how}): ${text}\n`);
        return isAlone ? aloneMs : watchedMs;
      },
    });
  });
  const up = Promise.all(supervised.map(one => one.up)).then(ready => ({
    apis: ready.map(({ api = '' }) => api),
    cluster: ready[0]?.cluster,
    brokerFlags,
  }));
  const failed = supervised.map(one => one.failed);
  return { up, ended: Promise.race([...failed, brokerEnded ?? never]) };
}

/** Starts the broker, which knows the keys of all requesters. Returns undefined when the settings name another one. */
async function startBrokerBeside(options: DevRequestersOptions): Promise<DevProcess | undefined> {
  const { nodes, settings, configFile, log, cleanup } = options;
  const [first, ...others] = nodes;
  // It loads much that a cluster with one requester does not need.
  const { loadSharedSecrets, takeSharedKeys } = await import('./share-keys.ts');
  const folders = nodes.map(({ folder }) => roleFolder(folder, 'requester'));
  for (const folder of folders) await makeFolder(folder);
  const keys = await loadSharedSecrets(roleFolder(first.folder, 'requester'), settings);
  const logins: string[] = [];
  for (const { folder } of others) {
    const { login } = await takeSharedKeys(roleFolder(folder, 'requester'), keys);
    logins.push(login);
  }
  if (settings.nats.servers.length > 0) return undefined;
  const flags = [...configFlags(configFile), ...nodeFlags(first), ...brokerPortFlags(settings)];
  const broker = startProcess(['dev-broker', ...flags, '--broker-requesters', logins.join()]);
  // When the process was killed, the server still runs.
  cleanup.defer(() => stopBroker(first.folder, log));
  cleanup.defer(() => stopProcess(broker, stopTimeoutsMs.broker));
  return broker;
}

/** Stops the broker of a process that was killed. If another requester holds the folder, the broker must run on. */
async function stopBroker(folder: string, log: Log): Promise<void> {
  const isFree = async () =>
    (await askHolder(runtimeFolder(folder, 'requester'), { command: 'status' })) === undefined;
  // A requester that does not answer still holds the folder.
  if (await isFree().catch(() => false))
    await stopOrphan(brokerFiles(roleFolder(folder, 'broker')), {
      clock: systemClock,
      log,
      killAfterMs: stopTimeoutsMs.orphan,
    });
}
