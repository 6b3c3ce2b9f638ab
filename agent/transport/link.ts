// Maintains one link to one of the brokers. It connects again after each loss, and reports when the link is up or down, and
// why.
import type { NatsConnection as Link } from 'nats';
import type { Clock, Timer } from '../system/clock.ts';
import { reasonOf } from '../system/errors.ts';
import { type LimitedLog, limitedLog } from '../system/limited-log.ts';
import type { Log } from '../system/log.ts';
import { printable } from '../system/printable.ts';
import { backoff, type Random } from '../system/random.ts';
import { isClustered } from './clustered.ts';
import type { Credentials } from './credentials.ts';
import { type Dialled, dial } from './dial.ts';
import { ConnectFailure } from './failure.ts';
import type { LinkPace } from './link-pace.ts';
import { type NamedServers, readNamedServers } from './named-servers.ts';
import type { Pause } from './pause.ts';
import type { ConnectionState } from './port.ts';
import type { Server } from './server.ts';
import type { ServerTurns } from './server-turns.ts';
import type { TlsFiles } from './tls.ts';

export interface LinkOptions {
  /** The name of this client in the broker's lists of clients; a function is called at each attempt. */
  name: string | (() => string);
  /** The beginning of the subjects on which answers come, `_INBOX` by default; a function is called at each attempt. */
  inboxPrefix?: string | (() => string) | undefined;
  /** Returns the credentials. It is called at each attempt, when the files are read too. */
  credentials: () => Credentials;
  /** Returns how to use TLS. It is called at each attempt, when the files are read too. */
  tls?: (() => TlsFiles | undefined) | undefined;
  clock: Clock;
  random: Random;
  log: Log;
  /** Time for one attempt, in milliseconds; 5 s by default. */
  connectTimeoutMs?: number;
  /** The shortest wait before another attempt, in milliseconds; 200 by default. */
  firstWaitMs?: number;
  /** Time between two pings, in milliseconds; 5 s by default, so that a half-open link is noticed within 15 s. */
  pingIntervalMs?: number;
  /** Number of pings that may be unanswered; 2 by default. The link is lost when the next one is due. */
  maxUnansweredPings?: number;
  /** Called with the servers that the broker names: after each connection, when they change, and once an hour. */
  onNamed?: ((named: NamedServers) => void) | undefined;
}

export interface LinkCallbacks {
  onUp(link: Link, state: ConnectionState): void;
  /** Called when the link was lost, and when an attempt failed for another reason than the last attempt. */
  onDown(state: ConnectionState): void;
}

/** The longest wait between two attempts, in milliseconds. */
const maxWaitMs = 10_000;
/** Time between two looks at what the broker names, and after which it is reported though it is the same, in milliseconds. */
const namedTimesMs = { look: 5_000, report: 3_600_000 };

/** Maintains the link until `signal` aborts, which also ends the link. Tries the servers in turn. */
export async function maintainLink(
  options: LinkOptions,
  turns: ServerTurns,
  callbacks: LinkCallbacks,
  pause: Pause,
  pace: LinkPace,
  signal: AbortSignal,
): Promise<void> {
  const { clock, random, firstWaitMs = 200 } = options;
  const outage = new Outage(options, callbacks);
  let failures = 0;
  while (!signal.aborted) {
    const server = turns.next();
    if (!server) return;
    const began = clock.monotonic();
    const wasUp = await connectOnce(server, options, outage, pause, pace, signal);
    // When the broker closes a link soon after the connection, this counts as a failure. Otherwise the loop would run
    // without a wait.
    if (wasUp && clock.monotonic() - began > maxWaitMs) failures = 0;
    const rounds = Math.floor(failures++ / turns.servers.length);
    await pause.wait(backoff(random, rounds, firstWaitMs, maxWaitMs));
  }
}

/** Connects to `server` and waits for the end of the link. Returns whether there was a link. */
async function connectOnce(
  server: Server,
  options: LinkOptions,
  outage: Outage,
  pause: Pause,
  pace: LinkPace,
  signal: AbortSignal,
): Promise<boolean> {
  const { name, inboxPrefix, credentials, tls, clock } = options;
  const { connectTimeoutMs: timeoutMs = 5_000, pingIntervalMs = 5_000, maxUnansweredPings = 2 } = options;
  let wasUp = false;
  let isClosed = false;
  try {
    const settings = {
      name: typeof name === 'string' ? name : name(),
      inboxPrefix: prefixOf(inboxPrefix),
      credentials: credentials(),
      tls: tls?.(),
      timeoutMs,
      pingIntervalMs,
      maxUnansweredPings,
      pace,
      now: () => clock.now(),
    };
    const { link, lost, isEncrypted, localAddress } = await dial(server, settings, signal);
    wasUp = true;
    const stopReporting = reportNamed(link, { by: server, isEncrypted }, options);
    try {
      if (!signal.aborted) outage.end(server, link, { isEncrypted, localAddress });
      const loss = await lost;
      isClosed = loss.isClosed;
      throw new ConnectFailure('unreachable', loss.reason);
    } finally {
      stopReporting();
      await link.close();
    }
  } catch (error) {
    const failure =
      error instanceof ConnectFailure ? error : new ConnectFailure('unreachable', reasonOf(error));
    if (!signal.aborted) outage.add(server, failure, { isPlanned: wasUp && pause.isAhead, isClosed });
  }
  return wasUp;
}

/**
 * Calls `onNamed` with the servers that the broker at the other end of `link` names. Returns the function that ends this.
 * The client keeps the newest INFO of the broker, and tells nobody that there is another one.
 */
function reportNamed(
  link: Link,
  about: Omit<NamedServers, 'addresses'>,
  { clock, onNamed }: Pick<LinkOptions, 'clock' | 'onNamed'>,
): () => void {
  if (!onNamed) return () => undefined;
  let reported = '';
  let reportedAt = Number.NEGATIVE_INFINITY;
  const look = (): Timer => {
    const addresses = readNamedServers(link.info?.connect_urls);
    const text = addresses.join(' ');
    if (text !== reported || clock.monotonic() - reportedAt >= namedTimesMs.report) {
      reported = text;
      reportedAt = clock.monotonic();
      onNamed({ ...about, addresses });
    }
    return clock.after(namedTimesMs.look, () => (timer = look()));
  };
  let timer = look();
  return () => timer.cancel();
}

/** Returns the beginning of the inboxes as it is now. */
export const prefixOf = (prefix: LinkOptions['inboxPrefix']): string | undefined =>
  typeof prefix === 'function' ? prefix() : prefix;

/** The time without a link: when it began, and the last failure of each server. */
class Outage {
  readonly #options: LinkOptions;
  readonly #callbacks: LinkCallbacks;
  readonly #limitedLog: LimitedLog;
  readonly #reasons = new Map<Server, string>();
  #since: number | undefined;
  #everUp = false;
  /** Whether the time without a link began because we closed it, and nothing failed since. */
  #isPlanned = false;

  constructor(options: LinkOptions, callbacks: LinkCallbacks) {
    this.#options = options;
    this.#callbacks = callbacks;
    this.#limitedLog = limitedLog(options.log, options.clock);
  }

  /**
   * Notes a failure. `isPlanned` tells that we closed the link ourselves, and will connect again, and `isClosed` that the other
   * end closed it.
   */
  add(
    server: Server,
    { fault, message: reason }: ConnectFailure,
    { isPlanned, isClosed }: { isPlanned: boolean; isClosed: boolean },
  ): void {
    const { clock, log } = this.#options;
    const fields = { server: server.label, fault };
    if (isPlanned) {
      log.debug(fields, 'closed the connection to the broker for a while');
    } else if (this.#everUp && this.#since === undefined) {
      // The requester ends a connection whose permissions change, and the next one comes at once. If it does not, that is a
      // warning.
      log[isClosed ? 'info' : 'warn'](fields, `lost the broker: ${reason}`);
    } else {
      const key = `${server.label} ${reason}`;
      this.#limitedLog.warn(key, fields, `cannot connect to the broker: ${reason}`);
    }
    this.#isPlanned = this.#since === undefined && isPlanned;
    this.#since ??= clock.monotonic();
    if (this.#reasons.get(server) === reason) return;
    this.#reasons.set(server, reason);
    this.#callbacks.onDown({ kind: 'disconnected', fault, reason, since: this.#since });
  }

  end(server: Server, link: Link, end: Pick<Dialled, 'isEncrypted' | 'localAddress'>): void {
    const { clock, log } = this.#options;
    const version = printable(link.info?.version ?? '', 64);
    const fields = { server: server.label, version };
    const afterMs = this.#since === undefined ? 0 : Math.round(clock.monotonic() - this.#since);
    if (this.#isPlanned) log.debug({ ...fields, afterMs }, 'connected to the broker again');
    else if (this.#everUp) log.info({ ...fields, afterMs }, 'connected to the broker again');
    else log.info(fields, 'connected to the broker');
    this.#everUp = true;
    this.#isPlanned = false;
    this.#since = undefined;
    this.#reasons.clear();
    const state = {
      kind: 'connected',
      server: server.label,
      version,
      ...end,
      isClustered: isClustered({ link }),
    } as const;
    this.#callbacks.onUp(link, state);
  }
}
