// The embedded broker: a real nats-server of our own, started, watched, started again when it dies, and stopped.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { type Clock, sleep } from '../system/clock.ts';
import { errnoOf, MusterError } from '../system/errors.ts';
import { makeFolder, removeLeftovers } from '../system/files.ts';
import type { Log, LogFields } from '../system/log.ts';
import { onProcessEnd } from '../system/process-end.ts';
import { backoff, type Random } from '../system/random.ts';
import { letsIn } from '../transport/access-check.ts';
import { findServerBinary, type ServerBinary } from './binary.ts';
import { type BrokerFiles, brokerFiles, readOrMakeToken, writeConfig } from './broker-files.ts';
import { choosePort, isInUse } from './broker-port.ts';
import { launchServer } from './launch.ts';
import { stopOrphan } from './orphan.ts';
import { carriedServer, type PackedServer, unpackServer } from './unpack.ts';

export interface BrokerOptions {
  /** Everything of the broker's is kept here. The caller holds the lock of the role that owns it. */
  folder: string;
  /** How the broker names itself to its clients. */
  name: string;
  /** `broker.host` and `broker.port`; port 0 takes a free one and keeps it from then on. */
  host: string;
  port: number;
  /** `broker.binary`. */
  binary?: string | undefined;
  /** The nats-server that comes with the program; without it, the packaged file's own, where it carries one. */
  carried?: PackedServer | undefined;
  findOnPath: (name: string) => string | undefined | Promise<string | undefined>;
  clock: Clock;
  random: Random;
  log: Log;
  /** Gives up the start when it aborts; it says nothing to a broker that runs. */
  signal?: AbortSignal | undefined;
}

export interface Broker {
  /** Where clients on this machine find it. */
  readonly url: string;
  /** Holds the token that clients show. */
  readonly tokenFile: string;
  /** Of the nats-server. */
  readonly version: string;
  /** The running process; undefined while it is between two lives. */
  readonly pid: number | undefined;
  /** Ends it, by force after `timeout` milliseconds (3 s). */
  stop(timeout?: number): Promise<void>;
}

/**
 * Resolves when the broker takes clients.
 * @throws MusterError: no nats-server, or one too old; the port in use; the folder not writable; it ended at once.
 * The reason of `signal` when that aborts before: nothing runs then.
 */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const { folder, name, host, port: wanted, clock, carried = carriedServer(), signal } = options;
  signal?.throwIfAborted();
  const log = brokerLog(options.log);
  const binary = await findServerBinary({
    configured: options.binary,
    unpack: carried && (() => unpackServer(carried, folder)),
    findOnPath: options.findOnPath,
    log,
    signal,
  });
  await makeFolder(folder);
  await removeLeftovers(folder);
  const files = brokerFiles(folder);
  await stopOrphan(files, clock, log, signal);
  const token = await readOrMakeToken(files.token);
  for (let attempt = 1; ; attempt++) {
    const port = await choosePort(host, wanted, files.port, log, options.random);
    await writeConfig({ name, host, port, token, files });
    const url = `nats://${localHost(host)}:${port}`;
    signal?.throwIfAborted();
    const server = new SupervisedServer({ ...options, log }, binary, files, url);
    try {
      await server.start(signal);
      log.info({ url, version: binary.version, pid: server.pid }, 'the broker runs');
      return server;
    } catch (error) {
      // Others may take a port between the look at it and the start.
      if (wanted !== 0 || attempt === 3 || !isInUse(error)) throw error;
    }
  }
}

/** Milliseconds that it has to take clients; reading a large store back takes some. */
const startTimeoutMs = 60_000;
/** Milliseconds to end by itself for one whose start is given up: it has stored nothing yet. */
const abortedStartTimeoutMs = 1_500;

class SupervisedServer implements Broker {
  readonly url: string;
  readonly tokenFile: string;
  readonly version: string;
  readonly #options: BrokerOptions;
  readonly #binary: ServerBinary;
  readonly #files: BrokerFiles;
  readonly #stopping = new AbortController();
  readonly #removeLastAct: () => void;
  #child: ChildProcess | undefined;
  #watching: Promise<void> | undefined;

  constructor(options: BrokerOptions, binary: ServerBinary, files: BrokerFiles, url: string) {
    this.#options = options;
    this.#binary = binary;
    this.#files = files;
    this.url = url;
    this.tokenFile = files.token;
    this.version = binary.version;
    // For a process that ends in a hurry: nothing of it is left behind.
    this.#removeLastAct = onProcessEnd(() => this.#child && signalAll(this.#child, 'SIGTERM'));
  }

  get pid(): number | undefined {
    return this.#child && isAlive(this.#child) ? this.#child.pid : undefined;
  }

  /** Starts it for the first time; only from then on is it started again. */
  async start(signal?: AbortSignal): Promise<void> {
    const { ended, ready } = this.#launchServer();
    const first = await Promise.race([ready, ended, aborted(signal)]);
    if (first === 'aborted') {
      await this.stop(abortedStartTimeoutMs);
      throw signal?.reason;
    }
    if (first !== 'ready') {
      await this.stop(0);
      const code = first.includes('address already in use') ? 'in_use' : 'failed';
      throw new MusterError(code, `the broker ${first}`, { hint: `see ${this.#files.config}` });
    }
    this.#watching = this.#watch(ended);
  }

  async stop(timeout = 3_000): Promise<void> {
    this.#stopping.abort();
    const child = this.#child;
    if (child && isAlive(child)) {
      const exited = once(child, 'exit');
      signalAll(child, 'SIGTERM');
      const deadline = this.#options.clock.after(timeout, () => {
        this.#options.log.warn({ pid: child.pid }, 'the broker does not end: killing it');
        signalAll(child, 'SIGKILL');
      });
      await exited;
      deadline.cancel();
    }
    await this.#watching;
    this.#removeLastAct();
  }

  async #watch(end: Promise<string>): Promise<void> {
    const { clock, random, log } = this.#options;
    const { signal } = this.#stopping;
    let ended = end;
    for (let failures = 0; ; failures++) {
      const began = clock.monotonic();
      const how = await ended;
      if (signal.aborted) return;
      if (clock.monotonic() - began > 10_000) failures = 0;
      const wait = Math.round(backoff(random, failures, 100, 10_000));
      log.error({ wait }, `the broker ${how}: starting it again`);
      await sleep(clock, wait, signal);
      await this.#stopOrphan();
      if (signal.aborted) return;
      const next = this.#launchServer();
      ended = next.ended;
      void next.ready.then(() => log.info({ pid: this.pid }, 'the broker runs again'));
    }
  }

  // What `broker.binary` names may have started the server as a child, which goes on and holds the port and the store.
  async #stopOrphan(): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stopping;
    await stopOrphan(this.#files, clock, log, signal).catch(error => {
      if (!signal.aborted) log.error({ err: error }, 'the port and the store may still be in use');
    });
  }

  /** `ready` stays open when it does not come to that. */
  #launchServer(): { ended: Promise<string>; ready: Promise<'ready'> } {
    const { clock, log } = this.#options;
    const { child, ended } = launchServer(this.#binary.path, this.#files.config, clock, log);
    this.#child = child;
    return { ended, ready: this.#ready(child) };
  }

  async #ready(child: ChildProcess | undefined): Promise<'ready'> {
    const { clock } = this.#options;
    const deadline = clock.monotonic() + startTimeoutMs;
    const credentials = { tokenFile: this.#files.token };
    while (child && isAlive(child) && !this.#stopping.signal.aborted) {
      if (await letsIn(this.url, credentials)) return 'ready';
      if (clock.monotonic() > deadline) {
        this.#options.log.error({ pid: child.pid }, 'the broker takes no clients: killing it');
        signalAll(child, 'SIGKILL');
        // One that a disk holds ends only when that lets it go: nothing more can be done until then.
        break;
      }
      await sleep(clock, 10, this.#stopping.signal);
    }
    return await new Promise<never>(() => undefined);
  }
}

function aborted(signal: AbortSignal | undefined): Promise<'aborted'> {
  return new Promise(resolve => signal?.addEventListener('abort', () => resolve('aborted'), { once: true }));
}

function isAlive(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

// The group that it leads: `broker.binary` may name a program that has the server as its child.
function signalAll(child: ChildProcess, signal: NodeJS.Signals): void {
  // Once it has been waited for, its id may be another's.
  if (child.pid === undefined || !isAlive(child)) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') child.kill(signal);
  }
}

/** Where a client on this machine finds what listens on `host`. */
export function localHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return isIPv6(host) ? `[${host}]` : host;
}

function brokerLog(log: Log): Log {
  const add = (level: keyof Log) => (fields: LogFields, message: string) =>
    log[level]({ part: 'broker', ...fields }, message);
  return {
    trace: add('trace'),
    debug: add('debug'),
    info: add('info'),
    warn: add('warn'),
    error: add('error'),
  };
}
