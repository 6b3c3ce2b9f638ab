// Runs a whole cluster on one machine: a requester with its broker, and agents, each a process of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { brokerFiles } from '../broker/broker-files.ts';
import { stopOrphan } from '../broker/orphan.ts';
import { takeNotifyRequest } from '../config/environment.ts';
import type { LoadedSettings } from '../config/load.ts';
import { devFolder, roleFolder, runtimeFolder } from '../config/paths.ts';
import { sleep, systemClock } from '../system/clock.ts';
import { MusterError, reasonOf } from '../system/errors.ts';
import { makeFolder } from '../system/files.ts';
import type { Log } from '../system/log.ts';
import { askHolder, holdFolder } from '../system/role-socket.ts';
import { describeHolder } from './describe-holder.ts';
import { type Lifetime, lifetime, type RoleReady } from './lifetime.ts';
import { ownCommand } from './own-command.ts';
import { roleLog } from './role-log.ts';

export interface DevOptions {
  /** Agents besides the requester. */
  nodes: number;
  /** Forget the state of earlier runs. */
  fresh: boolean;
  /** What the person typed to run muster, for the hints. */
  program: string;
  /** Passed on to every process. */
  configFile?: string | undefined;
}

/** Milliseconds for a child to stop by itself. One after the other they are within what a stop may take. */
const stopTimeoutsMs = { agent: 1_400, requester: 3_200 };
/** Milliseconds before an agent that ended is started again. */
const restartDelayMs = 1_000;

/** Runs until stopped; answers the exit code. Throws MusterError when it cannot start. */
export async function runDev(
  load: () => Promise<LoadedSettings>,
  options: DevOptions,
  print: (text: string) => void,
): Promise<number> {
  const { settings } = await load();
  const log = roleLog({ log: { ...settings.log, level: 'warn' } }, 'dev');
  // A service manager that started this hears nothing from the roles: each would speak for the whole.
  takeNotifyRequest();
  const folder = await devFolder(settings);
  await makeFolder(folder);
  const lock = await holdFolder(
    folder,
    () => ({ pid: process.pid }),
    status => `another muster dev holds ${folder}: ${describeHolder(status)}; stop it with Ctrl-C there`,
  );
  const life = lifetime(log);
  life.onReload(() => life.requestStop());
  const agents = new Set<DevProcess>();
  const first = node(0, folder);
  let requester: DevProcess | undefined;
  try {
    if (options.fresh) await removeState(folder);
    print(`state is kept in ${folder}\n`);
    requester = startProcess(['requester', ...common(options), ...place(first), ...ports(settings)]);
    const ready = await Promise.race([requester.ready, life.stopRequested]);
    const ended = requester.exit.then(({ code, how }) => {
      if (ready && !life.stopping) print(`${first.id}  requester ended (${how}): stopping the cluster\n`);
      return code;
    });
    if (!ready) return (await Promise.race([ended, life.stopRequested])) ?? 0;
    const { api, broker, tokenFile } = ready.ready;
    print(`${first.id}  requester is up: API ${api}, broker ${broker ?? settings.nats.servers.join(' ')}\n`);
    // With nats.servers set, everybody finds them and their credentials in the same settings.
    const login = broker && tokenFile ? ['--nats-servers', broker, '--nats-token-file', tokenFile] : [];
    const kept = Array.from({ length: options.nodes }, (_, index) => {
      const one = node(index + 1, folder);
      return superviseAgent(
        one.id,
        ['agent', ...common(options), ...place(one), ...login],
        agents,
        life,
        print,
      );
    });
    const failed = Promise.race([ended, ...kept.map(agent => agent.failed)]);
    const up = Promise.all(kept.map(agent => agent.up)).then(() => 'up' as const);
    if ((await Promise.race([up, failed, life.stopRequested])) === 'up')
      print(whatNext(options.program, settings));
    return (await Promise.race([failed, life.stopRequested])) ?? 0;
  } finally {
    life.requestStop();
    // Agents first, so that the requester still hears them leave; a requester that was killed leaves its broker to us.
    await Promise.all([...agents].map(agent => stopProcess(agent, stopTimeoutsMs.agent)));
    if (requester) {
      await stopProcess(requester, stopTimeoutsMs.requester);
      await stopBroker(first.folder, log);
    }
    await lock.close();
  }
}

/** Stops the broker that a requester left as it was killed. One that holds the folder, be it none of ours, needs its own. */
async function stopBroker(folder: string, log: Log): Promise<void> {
  const none = async () =>
    (await askHolder(runtimeFolder(folder, 'requester'), { command: 'status' })) === undefined;
  // What holds it and does not answer holds it.
  if (await none().catch(() => false))
    await stopOrphan(brokerFiles(roleFolder(folder, 'broker')), systemClock, log);
}

/** Runs an agent, and again when it ends after it was up. `failed`: it ended before that, its own words say why. */
function superviseAgent(
  id: string,
  args: string[],
  agents: Set<DevProcess>,
  life: Lifetime,
  print: (text: string) => void,
): { up: Promise<void>; failed: Promise<number> } {
  const up = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<number>();
  const run = async () => {
    while (!life.stopping) {
      const child = startProcess(args);
      agents.add(child);
      const ready = await child.ready;
      if (ready) {
        print(`${id}  agent is up\n`);
        up.resolve();
      }
      const { code, how } = await child.exit;
      agents.delete(child);
      if (life.stopping) return;
      if (!ready) return failed.resolve(code);
      print(`${id}  agent ended (${how}): starting it again\n`);
      await Promise.race([life.stopRequested, sleep(systemClock, restartDelayMs)]);
    }
  };
  void run();
  return { up: up.promise, failed: failed.promise };
}

interface DevProcess {
  process: ChildProcess;
  ready: Promise<RoleReady | undefined>;
  exit: Promise<{ code: number; how: string }>;
}

// In a process group of its own: a terminal's Ctrl-C reaches this process alone, and each child gets one signal from it.
function startProcess(args: string[]): DevProcess {
  const { command, args: all } = ownCommand(...args);
  const child = spawn(command, all, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], detached: true });
  const exit = new Promise<{ code: number; how: string }>(resolve => {
    child.once('error', error => resolve({ code: 1, how: reasonOf(error) }));
    child.once('exit', (code, signal) => resolve({ code: code ?? 1, how: signal ?? `exit code ${code}` }));
  });
  const ready = new Promise<RoleReady | undefined>(resolve => {
    child.once('message', message => resolve(message as RoleReady));
    void exit.then(() => resolve(undefined));
  });
  return { process: child, ready, exit };
}

async function stopProcess({ process: running, exit }: DevProcess, deadline: number): Promise<void> {
  if (running.exitCode !== null || running.signalCode !== null || running.pid === undefined) return;
  running.kill('SIGTERM');
  const timer = setTimeout(() => running.kill('SIGKILL'), deadline);
  await exit;
  clearTimeout(timer);
}

const node = (index: number, folder: string) => ({
  id: `node-${index}`,
  folder: join(folder, `node-${index}`),
});

const place = ({ id, folder }: { id: string; folder: string }) => ['--data-dir', folder, '--node-id', id];

const common = ({ configFile }: DevOptions) => (configFile ? ['--config', configFile] : []);

const ports = ({ api, broker }: LoadedSettings['settings']) => [
  '--api-port',
  String(api.port),
  '--broker-port',
  String(broker.port),
];

// Only what a dev run makes: the folder may be shared with nothing else, but it is ours by name alone.
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

function whatNext(program: string, { api }: LoadedSettings['settings']): string {
  const at = api.port === 1234 ? '' : ` --api-port ${api.port}`;
  const rows = [
    ['node list', 'who is on the roll'],
    ['node approve node-1', 'let a node take part'],
    ['events --follow', 'what happens, as it happens'],
  ].map(
    ([command, text]) =>
      `  ${`${program} ${command}${at}`.padEnd(program.length + at.length + 22)}  ${text}\n`,
  );
  return `\nNew nodes wait for approval. In another terminal:\n${rows.join('')}Ctrl-C stops everything; the state is kept.\n`;
}
