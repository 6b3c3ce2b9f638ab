// Runs `muster dev`, which is a whole cluster on one machine. The requester with its broker, and each agent, is a process of
// its own.
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { brokerFiles } from '../broker/broker-files.ts';
import { stopOrphan } from '../broker/orphan.ts';
import { takeNotifyRequest } from '../config/environment.ts';
import type { LoadedSettings } from '../config/load.ts';
import { devFolder, roleFolder, runtimeFolder } from '../config/paths.ts';
import { systemClock } from '../system/clock.ts';
import { MusterError } from '../system/errors.ts';
import { makeFolder } from '../system/files.ts';
import type { Log } from '../system/log.ts';
import { askHolder, holdFolder } from '../system/role-socket.ts';
import { describeHolder } from './describe-holder.ts';
import { type DevProcess, startProcess, stopProcess, superviseAgent } from './dev-process.ts';
import { lifetime } from './lifetime.ts';
import { roleLog } from './role-log.ts';

export interface DevOptions {
  /** Number of agents. */
  nodes: number;
  /** Whether to remove the state of earlier runs. */
  fresh: boolean;
  /** The command that the person typed to run muster, for the hints. */
  program: string;
  /** The value of `--config`, which every process gets. */
  configFile?: string | undefined;
}

/**
 * Times for the steps of a stop, in milliseconds. Their sum is less than a stop may take, because the requester stops
 * after the agents.
 */
const stopTimeoutsMs = { agent: 1_400, requester: 3_200 };

/** Runs the cluster until it is told to stop, and returns the exit code. Throws MusterError when it cannot start. */
export async function runDev(
  load: () => Promise<LoadedSettings>,
  options: DevOptions,
  print: (text: string) => void,
): Promise<number> {
  const loaded = await load();
  const { settings } = loaded;
  if (settings.nats.servers.length === 0 && settings.broker.tls.certFile !== undefined) {
    // It loads much that few clusters need.
    const { requireLocalCertificate } = await import('../broker/tls/choose-certificate.ts');
    await requireLocalCertificate(settings.broker);
  }
  const log = roleLog({ log: { ...settings.log, level: 'warn' } }, 'dev');
  // The roles must not notify a service manager, because each of them would report the state of all.
  takeNotifyRequest();
  const folder = await devFolder(settings);
  await makeFolder(folder);
  // Everything stops in reverse order: the agents stop first, so that the requester still gets their leave requests.
  await using cleanup = new AsyncDisposableStack();
  const lock = await holdFolder(
    folder,
    () => ({ pid: process.pid }),
    status => `another muster dev holds ${folder}: ${describeHolder(status)}`,
  );
  cleanup.defer(() => lock.close());
  const life = lifetime(log);
  life.onReload(() => life.requestStop());
  if (options.fresh) await removeState(folder);
  print(`state is kept in ${folder}\n`);

  const first = nodeOf(0, folder);
  const requester = startProcess([
    'requester',
    ...configFlags(options),
    ...nodeFlags(first),
    ...portFlags(settings),
  ]);
  // When a requester was killed, its broker still runs.
  cleanup.defer(() => stopBroker(first.folder, log));
  cleanup.defer(() => stopProcess(requester, stopTimeoutsMs.requester));
  const agents = new Set<DevProcess>();
  cleanup.defer(async () => {
    await Promise.all([...agents].map(agent => stopProcess(agent, stopTimeoutsMs.agent)));
  });
  cleanup.defer(() => life.requestStop());
  const ready = await Promise.race([requester.ready, life.stopRequested]);
  const ended = requester.exit.then(({ code, how }) => {
    if (ready && !life.stopping) print(`${first.id}  requester ended (${how}): stopping the cluster\n`);
    return code;
  });
  if (!ready) return (await Promise.race([ended, life.stopRequested])) ?? 0;
  const { api, broker, caFile, cluster } = ready.ready;
  print(`${first.id}  requester is up: API ${api}\n`);
  print(`${first.id}  broker ${broker ?? settings.nats.servers.join(' ')}\n`);

  // When nats.servers is set, all processes read the servers and the credentials from the same settings.
  const tlsFlags = caFile ? ['--nats-tls-ca-file', caFile, '--nats-tls-handshake-first'] : [];
  const brokerFlags = broker ? ['--nats-servers', broker, ...tlsFlags] : [];
  const nodes = Array.from({ length: options.nodes }, (_, index) => nodeOf(index + 1, folder));
  if (broker && cluster && api) {
    // The command is like one of an operator on the machine of the requester.
    const port = Number(new URL(api).port);
    const own = { ...settings, dataDir: first.folder, api: { ...settings.api, port } };
    const load = async () => ({ ...loaded, settings: own });
    // It loads the agent's files about its cluster, and a cluster that cannot start does not need them.
    const { giveDevCodes } = await import('./dev-codes.ts');
    await giveDevCodes({ folders: nodes.map(node => node.folder), cluster, load });
  }
  const supervised = nodes.map(node => {
    const args = ['agent', ...configFlags(options), ...nodeFlags(node), ...brokerFlags];
    return superviseAgent(node.id, args, agents, life, print);
  });
  const failed = Promise.race([ended, ...supervised.map(agent => agent.failed)]);
  const up = Promise.all(supervised.map(agent => agent.up)).then(() => 'up' as const);
  if ((await Promise.race([up, failed, life.stopRequested])) === 'up')
    print(nextSteps(options.program, settings));
  return (await Promise.race([failed, life.stopRequested])) ?? 0;
}

/** Stops the broker of a requester that was killed. If another requester holds the folder, the broker must run on. */
async function stopBroker(folder: string, log: Log): Promise<void> {
  const isFree = async () =>
    (await askHolder(runtimeFolder(folder, 'requester'), { command: 'status' })) === undefined;
  // A requester that does not answer still holds the folder.
  if (await isFree().catch(() => false))
    await stopOrphan(brokerFiles(roleFolder(folder, 'broker')), systemClock, log);
}

const nodeOf = (index: number, folder: string) => ({
  id: `node-${index}`,
  folder: join(folder, `node-${index}`),
});

const nodeFlags = ({ id, folder }: { id: string; folder: string }) => ['--data-dir', folder, '--node-id', id];

const configFlags = ({ configFile }: DevOptions) => (configFile ? ['--config', configFile] : []);

const portFlags = ({ api, broker }: LoadedSettings['settings']) => [
  '--api-port',
  String(api.port),
  '--broker-port',
  String(broker.port),
];

/** Removes only the folders that `muster dev` creates, because the folder may contain other things. */
async function removeState(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!/^node-\d+$/.test(name)) continue;
    try {
      await rm(join(folder, name), { recursive: true, force: true });
    } catch (error) {
      throw new MusterError('not_writable', `cannot remove ${join(folder, name)}`, { cause: error });
    }
  }
}

function nextSteps(program: string, { api }: LoadedSettings['settings']): string {
  const port = api.port === 1234 ? '' : ` --api-port ${api.port}`;
  const rows = [
    ['node list', 'list the nodes'],
    ['node approve node-1', 'let a node take part'],
    ['events --follow', 'follow the events'],
  ].map(
    ([command, text]) =>
      `  ${`${program} ${command}${port}`.padEnd(program.length + port.length + 22)}  ${text}\n`,
  );
  return `\nNew nodes wait for approval. In another terminal:\n${rows.join('')}Ctrl-C stops everything; the state is kept.\n`;
}
