// The embedded broker starts a nats-server, restarts it when it ends unexpectedly, and stops it.
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
  /** The folder for all files of the broker. The caller holds the lock of the role that owns it. */
  folder: string;
  /** The name of the broker, which its clients see. */
  name: string;
  /**
   * The settings `broker.host` and `broker.port`. With port 0 the broker chooses a free port once and uses it at each
   * start.
   */
  host: string;
  port: number;
  /** The setting `broker.binary`. */
  binary?: string | undefined;
  /** The nats-server that comes with the program; by default the one in the packaged file, if there is one. */
  carried?: PackedServer | undefined;
  findOnPath: (name: string) => string | undefined | Promise<string | undefined>;
  clock: Clock;
  random: Random;
  log: Log;
  /** Aborts the start. It does not stop a broker that runs. */
  signal?: AbortSignal | undefined;
}

export interface Broker {
  /** The address for clients on this machine. */
  readonly url: string;
  /** The file with the token that clients need. */
  readonly tokenFile: string;
  /** The version of the nats-server. */
  readonly version: string;
  /** The id of the running process; undefined while it waits for a restart. */
  readonly pid: number | undefined;
  /** Stops the broker, and kills it after `timeoutMs` (3 s by default). */
  stop(timeoutMs?: number): Promise<void>;
}

/**
 * Starts the broker; resolves when it accepts clients.
 * @throws MusterError when there is no usable nats-server, the port is in use, the folder cannot be written, or the
 * broker ends at once. Throws the reason of `signal` when that aborts; then nothing runs.
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
      // Another program may take the port between the check and the start.
      if (wanted !== 0 || attempt === 3 || !isInUse(error)) throw error;
    }
  }
}

/** Time until the server must accept clients, in milliseconds. It is long because a large store is read at the start. */
const startTimeoutMs = 60_000;
/**
 * Time that a broker has to end when its start is aborted, in milliseconds. It is short because the broker has stored
 * nothing yet.
 */
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
    // Ends the server when this process ends without a stop.
    this.#removeLastAct = onProcessEnd(() => this.#child && signalAll(this.#child, 'SIGTERM'));
  }

  get pid(): number | undefined {
    return this.#child && isAlive(this.#child) ? this.#child.pid : undefined;
  }

  /** Starts the server for the first time. If this succeeds, the server is restarted whenever it ends. */
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

  async stop(timeoutMs = 3_000): Promise<void> {
    this.#stopping.abort();
    const child = this.#child;
    if (child && isAlive(child)) {
      const exited = once(child, 'exit');
      signalAll(child, 'SIGTERM');
      const deadline = this.#options.clock.after(timeoutMs, () => {
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

  // Stops a nats-server that is left over. `broker.binary` may be a wrapper that starts the server as a child. When the
  // wrapper has ended, the child may still hold the port and the store.
  async #stopOrphan(): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stopping;
    await stopOrphan(this.#files, clock, log, signal).catch(error => {
      if (!signal.aborted) log.error({ err: error }, 'the port and the store may still be in use');
    });
  }

  /** Starts the server process. `ready` never settles when the server does not become ready. */
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
        this.#options.log.error({ pid: child.pid }, 'the broker accepts no clients: killing it');
        signalAll(child, 'SIGKILL');
        // A server that waits for a disk which does not answer cannot be killed. It ends when the disk answers.
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

// Signals the process group, because `broker.binary` may be a wrapper that has the server as its child.
function signalAll(child: ChildProcess, signal: NodeJS.Signals): void {
  // After the child has ended, its id may belong to another process.
  if (child.pid === undefined || !isAlive(child)) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') child.kill(signal);
  }
}

/** Returns the host by which a client on this machine reaches a server that listens on `host`. */
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
