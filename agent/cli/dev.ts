// `muster dev`: a whole cluster on one machine. A requester with its broker, and agents, each a process of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { integer } from '../config/kind.ts';
import type { LoadedSettings } from '../config/load.ts';
import { dataFolder } from '../config/paths.ts';
import { MusterError } from '../system/errors.ts';
import { makeFolder } from '../system/files.ts';
import { holdFolder } from '../system/role-socket.ts';
import { describeHolder } from './agent.ts';
import type { Argv, FlagTable } from './command.ts';
import { lifetime, type RoleReady } from './lifetime.ts';
import { roleLog } from './role-log.ts';
import { programName, selfCommand } from './self.ts';
import { print } from './terminal.ts';

export const settings = ['dataDir', 'api.port', 'broker.port'] as const;

export const flags = {
  nodes: { value: 'N', kind: integer(0, 100), default: 1, help: 'agents to run' },
  fresh: { help: 'forget the nodes of earlier runs' },
} as const satisfies FlagTable;

export const run = (argv: Argv<typeof flags>): Promise<number> =>
  runDev(() => argv.load(), { ...argv.flags, configFile: argv.config, program: programName() }, print);

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

/** Milliseconds for a child to stop by itself: twice that, agents and requester, is within what a stop may take. */
const childDeadline = 2_300;

/** Runs until stopped; answers the exit code. Throws MusterError when it cannot start. */
export async function runDev(
  load: () => Promise<LoadedSettings>,
  options: DevOptions,
  print: (text: string) => void,
): Promise<number> {
  const { settings } = await load();
  const log = roleLog({ log: { ...settings.log, level: 'warn' } }, 'dev');
  const folder = join(await dataFolder(settings), 'dev');
  await makeFolder(folder);
  const lock = await holdFolder(
    folder,
    () => ({ pid: process.pid }),
    status => `another muster dev holds ${folder}: ${describeHolder(status)}`,
  );
  const children: Child[] = [];
  const life = lifetime(log, () => undefined);
  try {
    if (options.fresh) await forget(folder);
    const first = node(0, folder);
    print(`state is kept in ${folder}\n`);
    const requester = start(children, ['requester', ...common(options), ...place(first), ...ports(settings)]);
    const ready = await Promise.race([requester.ready, life.over]);
    if (ready) {
      const { api, broker, tokenFile } = ready.ready;
      print(
        `${first.id}  requester is up: API ${api}, broker ${broker ?? settings.nats.servers.join(' ')}\n`,
      );
      // With nats.servers set, everybody finds them and their credentials in the same settings.
      const login = broker && tokenFile ? ['--nats-servers', broker, '--nats-token-file', tokenFile] : [];
      const agents = Array.from({ length: options.nodes }, (_, index) => node(index + 1, folder));
      for (const one of agents) {
        start(children, ['agent', ...common(options), ...place(one), ...login]);
      }
      await Promise.race([life.over, Promise.all(children.slice(1).map(child => child.ready))]);
      print(agents.map(one => `${one.id}  agent is up\n`).join(''));
      print(whatNext(options.program, settings));
    }
    // A child that ends by itself ends the cluster: its own words say why.
    return (await Promise.race([life.over, ...children.map(child => child.exit)])) ?? 0;
  } finally {
    life.end();
    // Agents first, so that the requester still hears them leave.
    const [requester, ...agents] = children;
    await Promise.all(agents.map(stop));
    if (requester) await stop(requester);
    await lock.close();
  }
}

interface Child {
  process: ChildProcess;
  ready: Promise<RoleReady | undefined>;
  exit: Promise<number>;
}

// In a process group of its own: a terminal's Ctrl-C reaches this process alone, and each child gets one signal from it.
function start(children: Child[], args: string[]): Child {
  const { command, args: all } = selfCommand(...args);
  const child = spawn(command, all, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], detached: true });
  const exit = new Promise<number>(resolve => {
    child.once('error', () => resolve(1));
    child.once('exit', code => resolve(code ?? 1));
  });
  const ready = new Promise<RoleReady | undefined>(resolve => {
    child.once('message', message => resolve(message as RoleReady));
    void exit.then(() => resolve(undefined));
  });
  const started = { process: child, ready, exit };
  children.push(started);
  return started;
}

async function stop(child: Child): Promise<void> {
  const { process: running, exit } = child;
  if (running.exitCode !== null || running.signalCode !== null || running.pid === undefined) return;
  running.kill('SIGTERM');
  const timer = setTimeout(() => running.kill('SIGKILL'), childDeadline);
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
async function forget(folder: string): Promise<void> {
  const { readdir } = await import('node:fs/promises');
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
