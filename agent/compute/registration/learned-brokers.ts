// Keeps the addresses of brokers that a broker of this cluster has named, for the time when those that the node was told of
// are gone.
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import * as v from 'valibot';
import { parseJson } from '../../protocol/json.ts';
import { validate } from '../../protocol/schema.ts';
import type { Clock } from '../../system/clock.ts';
import { writeFileAtomic } from '../../system/files.ts';
import type { LimitedLog } from '../../system/limited-log.ts';
import { isLoopback } from '../../system/loopback.ts';
import { readOwnFile } from '../../system/read-file.ts';
import { StateFile } from '../../system/state-file.ts';
import { type Interfaces, isOnVirtualNetwork } from '../../system/virtual-networks.ts';
import type { NamedServers } from '../../transport/named-servers.ts';
import { parseServers } from '../../transport/server.ts';
import type { TlsFiles } from '../../transport/tls.ts';

export const learnedBrokersFile = 'brokers.json';

/** Number of addresses that are kept. Those that were named longest ago are forgotten. */
const maxLearned = 16;
const dayMs = 86_400_000;
/** Time after which an address that no broker names any more is forgotten, in milliseconds. */
const forgetAfterMs = 7 * dayMs;

const learnedSchema = v.object({
  /** `tls://host:port` or `nats://host:port`. */
  address: v.pipe(v.string(), v.maxLength(300), v.check(isAddress, 'not an address of a broker')),
  /** The day when a broker last named it: a time of that day, RFC 3339. */
  named: v.pipe(v.string(), v.maxLength(40), v.isoTimestamp()),
});
const schema = v.object({
  version: v.literal(1),
  /** The addresses that the node was told of. With others, what was learned counts no more. */
  told: v.pipe(v.array(v.pipe(v.string(), v.maxLength(512))), v.maxLength(64)),
  learned: v.pipe(v.array(learnedSchema), v.maxLength(maxLearned)),
});
export type LearnedAddresses = Omit<v.InferOutput<typeof schema>, 'version'>;

/** Reads the file in the agent's folder. @throws MusterError, ProtocolError when it cannot be read. */
export async function readLearnedBrokers(folder: string): Promise<LearnedAddresses | undefined> {
  const file = await readOwnFile(join(folder, learnedBrokersFile));
  if (!file) return undefined;
  const { told, learned } = validate(schema, parseJson(file.data));
  return { told, learned };
}

/**
 * Returns what is known after a broker named addresses. Those that have not been named for seven days are forgotten. They
 * are not forgotten during an outage, when nobody can name any.
 */
export function withNamed(
  { told, learned }: LearnedAddresses,
  addresses: readonly string[],
  now: Date,
): LearnedAddresses {
  const isTold = new Set(parseServers(told).map(({ host, port }) => `${host} ${port}`));
  const before = new Map(learned.map(each => [each.address, each.named]));
  const named = addresses.filter(address => {
    const [server] = parseServers([address]);
    return server && !isTold.has(`${server.host} ${server.port}`);
  });
  const fresh = named.map(address => ({ address, named: dayOf(before.get(address), now) }));
  const others = learned.filter(
    each => !named.includes(each.address) && now.getTime() - Date.parse(each.named) < forgetAfterMs,
  );
  // The newest first. The file is not written for a new time of the same day.
  others.sort((a, b) => Date.parse(b.named) - Date.parse(a.named));
  return { told, learned: [...fresh, ...others].slice(0, maxLearned) };
}

function dayOf(before: string | undefined, now: Date): string {
  const isRecent = before !== undefined && Math.abs(now.getTime() - Date.parse(before)) < dayMs;
  return isRecent ? before : now.toISOString();
}

/**
 * Returns the addresses in `named` that may be dialled later, with their scheme. It must not be possible to lead a node
 * away: so the node must know the CA of its cluster, and TLS must have begun before the greeting, which somebody in between
 * could have altered. Without TLS, only addresses of this machine count, and only when a broker of this machine names them.
 */
export function trustedAddresses({ addresses, by, isEncrypted }: NamedServers, tls: TlsFiles): string[] {
  const hasPins = (tls.pins?.length ?? 0) > 0;
  const knowsCa = hasPins || tls.caFile !== undefined;
  const beginsWithTls = hasPins || tls.handshakeFirst === true;
  if (isEncrypted) return knowsCa && beginsWithTls ? addresses.map(address => `tls://${address}`) : [];
  if (!isLoopback(by.host)) return [];
  return addresses.filter(isOnLoopback).map(address => `nats://${address}`);
}

/**
 * Returns the addresses without those that lead to containers of this machine, and not to a broker: a server that listens on all
 * addresses also names those of its own containers' networks, which look the same everywhere. A broker that runs there counts.
 */
export function withoutOwnContainers({ addresses, by }: NamedServers, interfaces: Interfaces): string[] {
  const isBrokerThere = isOnVirtualNetwork(by.host, interfaces);
  return addresses.filter(address => isBrokerThere || !isOnVirtualNetwork(hostOf(address), interfaces));
}

const isOnLoopback = (address: string): boolean => isLoopback(hostOf(address));

/** Returns the host of `host:port`, without brackets. */
export const hostOf = (address: string): string => address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');

function isAddress(text: string): boolean {
  if (!/^(?:nats|tls):\/\//.test(text)) return false;
  try {
    return parseServers([text]).length === 1;
  } catch {
    return false;
  }
}

export interface LearnedBrokersOptions {
  /** The agent's own folder. */
  folder: string;
  /** Returns the addresses that the node was told of, by its settings or by its join code, and whom it trusts there. */
  broker(): { servers: readonly string[]; tls: TlsFiles };
  node: string;
  /** Returns the network interfaces of this machine as they are now. */
  interfaces(): Interfaces;
  clock: Clock;
  limitedLog: LimitedLog;
}

/** The addresses that a running agent has learned. Each change is written to the file. */
export class LearnedBrokers {
  readonly #options: LearnedBrokersOptions;
  readonly #file: StateFile<LearnedAddresses | undefined>;

  /** Reads the file. When it cannot be read, nothing is known, and the next connection writes another one. */
  static async load(options: LearnedBrokersOptions): Promise<LearnedBrokers> {
    const learned = new LearnedBrokers(options);
    await learned.#file.load();
    return learned;
  }

  private constructor(options: LearnedBrokersOptions) {
    const { folder, node, limitedLog } = options;
    this.#options = options;
    this.#file = new StateFile<LearnedAddresses | undefined>({
      initial: undefined,
      read: () => readLearnedBrokers(folder),
      write: async value => {
        const text = `${JSON.stringify({ version: 1, ...value }, null, 2)}\n`;
        if (value) await writeFileAtomic(join(folder, learnedBrokersFile), text);
      },
      onReadError: err => {
        const text = 'the addresses of brokers that were learned cannot be read; they are learned again';
        limitedLog.warn('read learned brokers', { node, err }, text);
      },
      onWriteError: err => {
        const text = 'the addresses of brokers could not be written; it is tried again later';
        limitedLog.warn('learned brokers', { node, err }, text);
      },
    });
  }

  /** The learned addresses, as far as they may be dialled with the trust of now. */
  get addresses(): readonly string[] {
    return this.#known.learned.map(({ address }) => address);
  }

  /** Learns what the broker at the other end of the connection names. */
  onNamed(named: NamedServers): void {
    const { broker, clock, interfaces } = this.#options;
    const addresses = trustedAddresses(
      { ...named, addresses: withoutOwnContainers(named, interfaces()) },
      broker().tls,
    );
    const next = withNamed(this.#known, addresses, clock.now());
    if (addresses.length > 0 || this.#known.learned.length > 0) void this.#file.set(next);
  }

  /** What was learned beside the addresses that the node is told of now, and under the present trust. */
  get #known(): LearnedAddresses {
    const { servers, tls } = this.#options.broker();
    const { value } = this.#file;
    if (!value || !isDeepStrictEqual(value.told, servers)) return { told: [...servers], learned: [] };
    // Without the CA that it had when it learned them, the node would reach them under weaker trust.
    const hasCa = (tls.pins?.length ?? 0) > 0 || tls.caFile !== undefined;
    const { told, learned } = value;
    return { told, learned: learned.filter(({ address }) => hasCa || isOnLoopback(address.slice(7))) };
  }
}
