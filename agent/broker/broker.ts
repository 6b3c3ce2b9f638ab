// The embedded broker finds a nats-server, configures it, and keeps it running until it is stopped.
import { isIPv6 } from 'node:net';
import type { Clock } from '../system/clock.ts';
import { makeFolder, removeLeftovers } from '../system/files.ts';
import type { Log, LogFields } from '../system/log.ts';
import type { Random } from '../system/random.ts';
import type { Credentials } from '../transport/credentials.ts';
import type { TlsFiles } from '../transport/tls.ts';
import type { BrokerAccess, OwnNatsLines } from './access-lines.ts';
import { findServerBinary } from './binary.ts';
import { brokerFiles, writeConfig } from './broker-files.ts';
import { choosePort, isInUse } from './broker-port.ts';
import { takeOverStore } from './earlier-version.ts';
import { stopOrphan } from './orphan.ts';
import type { WatchTimes } from './server-health.ts';
import { readStoreLimit } from './store-disk.ts';
import { type Restarts, SupervisedServer } from './supervised-server.ts';
import { localTls } from './tls/choose-certificate.ts';
import { advertisedAddresses, localAddress, machineNames } from './tls/names.ts';
import type { ServerCertificate } from './tls/server-certificate.ts';
import { carriedServer, type PackedServer, unpackServer } from './unpack.ts';

export interface BrokerOptions {
  /** The folder for all files of the broker. The caller holds the lock of the role that owns it. */
  folder: string;
  /** The name of the broker, which its clients see. */
  name: string;
  /** The keys by which the broker knows the requester. */
  access: BrokerAccess;
  /** What is added to its configuration when several requesters use the broker; undefined for one. */
  several?: OwnNatsLines | undefined;
  /**
   * The settings `broker.host` and `broker.port`. With port 0 the broker chooses a free port once and uses it at each
   * start.
   */
  host: string;
  port: number;
  /** The setting `broker.advertise`. */
  advertise?: readonly string[] | undefined;
  /** Returns the certificate for the next start of the server; undefined for a broker without TLS. */
  certificate?: (() => Promise<ServerCertificate>) | undefined;
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
  /** How clients on this machine use TLS with the broker; undefined when it has none. */
  readonly tls: TlsFiles | undefined;
  /** The addresses for nodes, such as `tls://host:port`, the best one first. */
  readonly servers: readonly string[];
  /** The pin of the CA that nodes should trust; undefined without TLS, and when the operator's own CA is not known. */
  readonly pin: string | undefined;
  /** That CA in PEM. */
  readonly ca: string | undefined;
  /** The certificate that it shows, and those that signed it, in PEM; undefined without TLS. */
  readonly chain: string | undefined;
  /** The file with that CA. */
  readonly caFile: string | undefined;
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
  await stopOrphan(files, { clock, log, signal });
  await takeOverStore(folder, files.store, log);
  for (let attempt = 1; ; attempt++) {
    const port = await choosePort(host, wanted, files.port, log, options.random);
    let certificate: ServerCertificate | undefined;
    const configure = async () => {
      const next = await options.certificate?.();
      await writeConfig({
        name,
        host,
        port,
        access,
        several: options.several,
        files,
        certificate: next,
        maxStoreBytes: await readStoreLimit(folder),
      });
      certificate = next;
    };
    await configure();
    const scheme = certificate ? 'tls' : 'nats';
    const url = `${scheme}://${localHost(host)}:${port}`;
    const tls = () => certificate && localTls(certificate);
    signal?.throwIfAborted();
    const server = new SupervisedServer({ ...options, log, binary: binary.path, files, url, tls, configure });
    try {
      await server.start(signal);
      log.info({ url, version: binary.version, pid: server.pid }, 'the broker runs');
      return {
        url,
        credentials: { key: access.requester },
        get tls() {
          return tls();
        },
        get servers() {
          return nodeServers(options, port, certificate);
        },
        get pin() {
          return certificate?.pin;
        },
        get ca() {
          return certificate?.ca;
        },
        get chain() {
          return certificate?.chain;
        },
        get caFile() {
          return certificate?.caFile;
        },
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

function nodeServers(
  { host, advertise = [] }: BrokerOptions,
  port: number,
  certificate: ServerCertificate | undefined,
): string[] {
  // The certificate of an operator is for names that the operator chose.
  const own = certificate?.localName;
  const machine = machineNames();
  const addresses =
    own !== undefined && advertise.length === 0
      ? advertisedAddresses([own], { host, port }, machine)
      : advertisedAddresses(advertise, { host, port }, machine);
  return addresses.map(address => `${certificate ? 'tls' : 'nats'}://${address}`);
}

/** Returns the host by which a client on this machine reaches a server that listens on `host`, as an address has it. */
export function localHost(host: string): string {
  const address = localAddress(host);
  return isIPv6(address) ? `[${address}]` : address;
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
