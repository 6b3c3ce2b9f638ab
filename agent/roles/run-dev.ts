// Runs `muster dev`, which is a whole cluster on one machine. Each requester and each agent is a process of its own.
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { takeNotifyRequest } from '../config/environment.ts';
import type { LoadedSettings } from '../config/load.ts';
import { devFolder } from '../config/paths.ts';
import { MusterError } from '../system/errors.ts';
import { makeFolder } from '../system/files.ts';
import { holdFolder } from '../system/role-socket.ts';
import { shellLine } from '../system/shell-word.ts';
import { describeHolder } from './describe-holder.ts';
import { giveDevIds } from './dev-ids.ts';
import {
  agentNodes,
  configFlags,
  folderFlags,
  nodeFlags,
  nodeFolderPattern,
  requesterNodes,
} from './dev-nodes.ts';
import { type DevProcess, stopProcess, supervise } from './dev-process.ts';
import { runOneRequester, runSeveralRequesters } from './dev-requesters.ts';
import { lifetime } from './lifetime.ts';
import { roleLog } from './role-log.ts';

export interface DevOptions {
  /** Number of agents. */
  nodes: number;
  /** Number of requesters. */
  requesters: number;
  /** Whether to remove the state of earlier runs. */
  fresh: boolean;
  /** The command that the person typed to run muster, for the hints. */
  program: string;
  /** The value of `--config`, which every process gets. */
  configFile?: string | undefined;
}

/** Time for the stop of an agent, in milliseconds. The requesters stop after the agents (see dev-requesters.ts). */
const stopTimeoutMs = 1_400;
/** Time after which an agent that ended is started again, in milliseconds. */
const restartDelayMs = 1_000;

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

  const { configFile, requesters: count } = options;
  const own = requesterNodes(count, folder);
  const run = count > 1 ? runSeveralRequesters : runOneRequester;
  const requesters = await run({ nodes: own, configFile, settings, life, log, cleanup, print });
  const agents = new Set<DevProcess>();
  cleanup.defer(async () => {
    await Promise.all([...agents].map(agent => stopProcess(agent, stopTimeoutMs)));
  });
  cleanup.defer(() => life.requestStop());
  const cluster = await Promise.race([requesters.up, requesters.ended, life.stopRequested]);
  if (typeof cluster !== 'object') return cluster ?? 0;

  const nodes = agentNodes(options.nodes, folder);
  const { brokerFlags } = cluster;
  if (brokerFlags.length > 0 && cluster.cluster) {
    // The command is like one of an operator on the machine of the requester.
    const [port = settings.api.port] = cluster.apis.map(portOf);
    const first = { ...settings, dataDir: own[0].folder, api: { ...settings.api, port } };
    const load = async () => ({ ...loaded, settings: first });
    // It loads the agent's files about its cluster, and a cluster that cannot start does not need them.
    const { giveDevCodes } = await import('./dev-codes.ts');
    await giveDevCodes({ folders: nodes.map(node => node.folder), cluster: cluster.cluster, load });
  }
  await giveDevIds(nodes);
  // A setting would be the same for all of them.
  const flagsOf = settings.node.id === undefined ? folderFlags : nodeFlags;
  const supervised = nodes.map(node => {
    let { id } = node;
    return supervise({
      args: ['agent', ...configFlags(configFile), ...flagsOf(node), ...brokerFlags],
      running: agents,
      life,
      onReady: ready => {
        id = ready.node;
        print(`${id}  agent is up\n`);
      },
      onEnd: how => {
        print(`${id}  agent ended (${how}): starting it again\n`);
        return restartDelayMs;
      },
    });
  });
  const failed = Promise.race([requesters.ended, ...supervised.map(agent => agent.failed)]);
  const up = Promise.all(supervised.map(agent => agent.up)).then(() => 'up' as const);
  if ((await Promise.race([up, failed, life.stopRequested])) === 'up')
    print(nextSteps(options.program, cluster.apis, settings.dataDir));
  return (await Promise.race([failed, life.stopRequested])) ?? 0;
}

/** Removes only the folders that `muster dev` creates, because the folder may contain other things. */
async function removeState(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!nodeFolderPattern.test(name)) continue;
    try {
      await rm(join(folder, name), { recursive: true, force: true });
    } catch (error) {
      throw new MusterError('not_writable', `cannot remove ${join(folder, name)}`, { cause: error });
    }
  }
}

/**
 * Returns what a person may try. `apis` are the addresses of the APIs, that of the first requester at the beginning;
 * `dataDir` is the setting, because commands that look for the roles need it too.
 */
function nextSteps(program: string, apis: readonly string[], dataDir: string | undefined): string {
  const [first = 1234] = apis.map(portOf);
  const port = first === 1234 ? '' : ` --api-port ${first}`;
  const folder = dataDir === undefined ? '' : ` --data-dir ${shellLine([dataDir])}`;
  const steps = [
    [`${program} node list${port}`, 'list the nodes'],
    [`${program} node approve node-1${port}`, 'let a node take part'],
    [`${program} events --follow${port}`, 'follow the events'],
    [`${program} status${folder}`, 'see how each of them does'],
    [`${program} ui${port}`, 'see and decide in a browser'],
  ] as const;
  const width = Math.max(...steps.map(([command]) => command.length));
  const rows = steps.map(([command, text]) => `  ${command.padEnd(width)}  ${text}\n`);
  const several = apis.length > 1 ? severalSteps(program, apis) : '';
  return `\nNew nodes wait for approval. In another terminal:\n${rows.join('')}${several}Ctrl-C stops everything; the state is kept.\n`;
}

const portOf = (api: string): number => Number(new URL(api).port);

const severalSteps = (program: string, apis: readonly string[]): string => `
Each requester answers everything. Name all of them, kill the first one, and the
commands go on with another one:
  export MUSTER_API_SERVERS=${apis.map(api => api.replace('http://', '')).join()}
  kill -9 NUMBER    with the number of its process above
  ${program} node list
`;
