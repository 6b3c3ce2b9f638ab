// The embedded broker finds a nats-server, configures it, and keeps it running until it is stopped.
import { isIPv6 } from 'node:net';
import type { Clock } from '../system/clock.ts';
import { makeFolder, removeLeftovers } from '../system/files.ts';
import type { Log, LogFields } from '../system/log.ts';
import type { Random } from '../system/random.ts';
import type { Credentials } from '../transport/credentials.ts';
import { findServerBinary } from './binary.ts';
import type { BrokerAccess } from './broker-access.ts';
import { brokerFiles, writeConfig } from './broker-files.ts';
import { choosePort, isInUse } from './broker-port.ts';
import { stopOrphan } from './orphan.ts';
import type { WatchTimes } from './server-health.ts';
import { readStoreLimit } from './store-disk.ts';
import { type Restarts, SupervisedServer } from './supervised-server.ts';
import { carriedServer, type PackedServer, unpackServer } from './unpack.ts';

export interface BrokerOptions {
  /** The folder for all files of the broker. The caller holds the lock of the role that owns it. */
  folder: string;
  /** The name of the broker, which its clients see. */
  name: string;
  /** The keys by which the broker knows the requester. */
  access: BrokerAccess;
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
  /** Times of the watch over the server; tests use shorter ones. */
  watchTimes?: WatchTimes | undefined;
  /** Called when `problem` or `restarts` of the broker changed. */
  onChange?: (() => void) | undefined;
}

export interface Broker {
  /** The address for clients on this machine. */
  readonly url: string;
  /** What the requester shows to be let in. */
  readonly credentials: Credentials;
  /** The version of the nats-server. */
  readonly version: string;
  /** The id of the running process; undefined while it waits for a restart. */
  readonly pid: number | undefined;
  /** A sentence without a full stop that says what is wrong with the broker; undefined when it is well. */
  readonly problem: string | undefined;
  readonly restarts: Restarts;
  /** Stops the broker, and kills it after `timeoutMs` (3 s by default). */
  stop(timeoutMs?: number): Promise<void>;
}

/**
 * Starts the broker; resolves when it accepts clients.
 * @throws MusterError when there is no usable nats-server, the port is in use, the folder cannot be written, or the
 * broker ends at once. Throws the reason of `signal` when that aborts; then nothing runs.
 */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const { folder, name, access, host, port: wanted, clock, carried = carriedServer(), signal } = options;
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
  for (let attempt = 1; ; attempt++) {
    const port = await choosePort(host, wanted, files.port, log, options.random);
    const configure = async () =>
      writeConfig({ name, host, port, access, files, maxStoreBytes: await readStoreLimit(folder) });
    await configure();
    const url = `nats://${localHost(host)}:${port}`;
    signal?.throwIfAborted();
    const server = new SupervisedServer({ ...options, log, binary: binary.path, files, url, configure });
    try {
      await server.start(signal);
      log.info({ url, version: binary.version, pid: server.pid }, 'the broker runs');
      return {
        url,
        credentials: { key: access.requester },
        version: binary.version,
        get pid() {
          return server.pid;
        },
        get problem() {
          return server.problem;
        },
        get restarts() {
          return server.restarts;
        },
        stop: timeoutMs => server.stop(timeoutMs),
      };
    } catch (error) {
      // Another program may take the port between the check and the start.
      if (wanted !== 0 || attempt === 3 || !isInUse(error)) throw error;
    }
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
