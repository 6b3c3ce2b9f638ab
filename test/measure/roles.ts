// Runs the program's roles, each in its own folder, with the default settings except for the broker's URL.
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Role } from '../../agent/config/role.ts';
import type { RequesterStatus } from '../../agent/requester/status/requester-status.ts';
import { bundleProgram } from '../support/bundle-program.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/listener.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { Program } from '../support/program.ts';
import { readShown } from '../support/read-shown.ts';
import { fillStore } from './fill-store.ts';
import type { StandIns } from './stand-ins.ts';
import { newFolder, progress } from './workplace.ts';

/** Starts a real broker on 127.0.0.1. */
export const startBroker = (): Promise<NatsServer> => startNatsServer();

/** The folder for CPU profiles; undefined when none are written. */
let profiles: string | undefined;
/** Makes every role that is started from now on write a CPU profile into `folder`. */
export function profileInto(folder: string): void {
  profiles = folder;
}

/** The program in JavaScript, and the folder of its code cache. */
interface Translated {
  main: string;
  cache: string;
}

/**
 * The program as one file, with its code cache, as it is in the packaged file. Without them, a compiler and hundreds of small files
 * would be a part of the requester's start.
 */
let translated: Promise<Translated> | undefined;

async function translate(): Promise<Translated> {
  const made = { main: await bundleProgram(await newFolder()), cache: await newFolder() };
  await RequesterProcess.fill(made);
  return made;
}

export class RequesterProcess {
  readonly program: Program;
  readonly #folder: string;
  readonly apiPort: number;

  /** Starts it. `settings` are those of the section `requester`, in addition to the defaults. */
  static async start(
    broker: Pick<NatsServer, 'url'>,
    settings: Record<string, unknown> = {},
  ): Promise<RequesterProcess> {
    return RequesterProcess.#start(broker, settings, await RequesterProcess.translated());
  }

  /** Translates the program, unless that was done. A row calls it before it measures a start, which would do it otherwise. */
  static translated(): Promise<Translated> {
    translated ??= translate();
    return translated;
  }

  static async #start(
    broker: Pick<NatsServer, 'url'>,
    settings: Record<string, unknown>,
    { main, cache }: Translated,
  ): Promise<RequesterProcess> {
    const folder = await newFolder();
    const apiPort = await freePort();
    const reports = join(folder, 'reports');
    await mkdir(reports);
    const all = { api: { port: apiPort }, requester: settings };
    const options = [
      '--report-on-signal',
      '--report-compact',
      '--report-exclude-network',
      `--report-directory=${reports}`,
    ];
    const env = { NODE_COMPILE_CACHE: cache };
    const program = await start('requester', 'node-0', folder, broker, all, options, env, main);
    return new RequesterProcess(program, folder, apiPort);
  }

  /** Runs a requester once, so that all of its program is in the code cache. */
  static async fill(made: Translated): Promise<void> {
    const broker = await startBroker();
    const requester = await RequesterProcess.#start(broker, {}, made);
    await requester.ready();
    await requester.program.stop();
    await broker.release();
  }

  private constructor(program: Program, folder: string, apiPort: number) {
    this.program = program;
    this.#folder = folder;
    this.apiPort = apiPort;
  }

  async ready(): Promise<void> {
    // Reading 100 000 records takes a while.
    await eventually(
      'the requester is ready',
      () => this.program.logged('the requester is ready').length > 0 || !this.program.running,
      120_000,
    );
    if (!this.program.running) throw new Error(`the requester ended:\n${this.program.stderr}`);
  }

  async status(): Promise<RequesterStatus> {
    const answer = await fetch(`http://127.0.0.1:${this.apiPort}/api/v1/orchestrator/status`);
    return readShown(await answer.text());
  }

  /** Returns the bytes in use on the JavaScript heap, with garbage, from Node's diagnostic report. */
  async heapBytes(): Promise<number> {
    const folder = join(this.#folder, 'reports');
    let text = '';
    this.program.signal('SIGUSR2');
    await eventually('the requester writes its report', async () => {
      const [name] = await readdir(folder);
      text = name ? await readFile(join(folder, name), 'utf8') : '';
      return text.trimEnd().endsWith('}');
    });
    const { javascriptHeap } = JSON.parse(text) as { javascriptHeap: { usedMemory: number } };
    return javascriptHeap.usedMemory;
  }
}

/** Settings and environment of an agent in addition to the defaults. */
export interface AgentOptions {
  settings?: Record<string, unknown>;
  standIns?: StandIns;
  env?: Record<string, string>;
}

/** Starts an agent whose state is in `folder`. */
export function startAgent(
  id: string,
  folder: string,
  broker: NatsServer,
  { settings = {}, standIns, env = {} }: AgentOptions = {},
): Promise<Program> {
  if (!standIns) return start('agent', id, folder, broker, settings, [], env);
  const first = `--import=${new URL('./stand-ins.ts', import.meta.url)}`;
  return start('agent', id, folder, broker, settings, [first], {
    ...env,
    STAND_INS: JSON.stringify(standIns),
  });
}

/** Runs `fn` with a broker and a requester that is ready. Both are stopped when `fn` is done or fails. */
export async function withRequester<T>(fn: (broker: NatsServer) => Promise<T>): Promise<T> {
  const broker = await startBroker();
  let requester: RequesterProcess | undefined;
  try {
    requester = await RequesterProcess.start(broker);
    await requester.ready();
    return await fn(broker);
  } finally {
    await requester?.program.stop();
    await broker.release();
  }
}

/**
 * Runs `fn` with a requester that found so many approved nodes in the store of its broker. Both are stopped afterwards.
 * `settings` are those of the section `requester`, in addition to the defaults.
 */
export async function withNodes<T>(
  nodes: number,
  fn: (requester: RequesterProcess, brokerUrl: string) => Promise<T>,
  settings: Record<string, unknown> = {},
): Promise<T> {
  const broker = await startBroker();
  let requester: RequesterProcess | undefined;
  try {
    progress(`${nodes} nodes: filling the store`);
    await fillStore(broker.url, nodes);
    requester = await RequesterProcess.start(broker, settings);
    await requester.ready();
    progress(`${nodes} nodes: the requester is ready`);
    return await fn(requester, broker.url);
  } finally {
    await requester?.program.stop();
    await broker.release();
  }
}

async function packagedFlags(): Promise<string[]> {
  const description = await readFile(new URL('../../pkg.config.json', import.meta.url), 'utf8');
  return JSON.parse(description).pkg.seaConfig.execArgv;
}

async function start(
  role: Role,
  id: string,
  folder: string,
  broker: Pick<NatsServer, 'url'>,
  settings: Record<string, unknown>,
  nodeOptions: string[],
  env: Record<string, string> = {},
  main?: string,
): Promise<Program> {
  const file = join(folder, `${role}.yaml`);
  const all = {
    node: { id },
    nats: { servers: [broker.url] },
    dataDir: join(folder, 'data'),
    log: { format: 'json' },
    ...settings,
  };
  // JSON is YAML.
  await writeFile(file, JSON.stringify(all));
  // The same flags as in the packaged file, because they decide how much memory a role takes.
  const profile = profiles ? ['--cpu-prof', `--cpu-prof-dir=${profiles}`] : [];
  return new Program([role, '--config', file], {
    ...(main === undefined ? {} : { main }),
    env: { ...env, NODE_OPTIONS: [...(await packagedFlags()), ...nodeOptions, ...profile].join(' ') },
  });
}
