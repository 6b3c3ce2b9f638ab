// Keeps one link to one of the brokers: makes it for ever, tells when it is up and when it is lost, and why.
import type { NatsConnection as Link } from 'nats';
import { type Clock, sleep } from '../system/clock.ts';
import { reasonOf } from '../system/errors.ts';
import { type LimitedLog, limitedLog } from '../system/limited-log.ts';
import type { Log } from '../system/log.ts';
import { printable } from '../system/printable.ts';
import { backoff, type Random } from '../system/random.ts';
import type { Credentials } from './credentials.ts';
import { dial } from './dial.ts';
import { ConnectFailure } from './failure.ts';
import type { ConnectionState } from './port.ts';
import type { Server } from './server.ts';
import type { TlsFiles } from './tls.ts';

export interface LinkOptions {
  /** How the broker's own lists name this client. */
  name: string;
  /** Asked, and the files read, at each attempt. */
  credentials: () => Credentials;
  tls?: TlsFiles | undefined;
  clock: Clock;
  random: Random;
  log: Log;
  /** Milliseconds that one attempt may take; 5 s. */
  connectTimeout?: number;
  /** Milliseconds between pings; 5 s, by which a half-open link is noticed within 15 s. */
  pingInterval?: number;
}

export interface LinkEvents {
  up(link: Link, state: ConnectionState): void;
  /** Lost, or never made for another reason than the last time. */
  down(state: ConnectionState): void;
}

/** The longest wait between two attempts, in milliseconds. */
const longestWait = 10_000;

/** Runs until `signal` aborts, which ends the link too. The servers are tried in turn, beginning with any of them. */
export async function keepLink(
  options: LinkOptions,
  servers: readonly Server[],
  events: LinkEvents,
  signal: AbortSignal,
): Promise<void> {
  const { clock, random } = options;
  const outage = new Outage(options, events);
  let next = Math.floor(random.fraction() * servers.length);
  let failures = 0;
  while (!signal.aborted) {
    const server = servers[next++ % servers.length];
    if (!server) return;
    const began = clock.monotonic();
    const wasUp = await attempt(server, options, outage, signal);
    // A link that the broker closes soon after it was made counts as a failure: no tight loop.
    if (wasUp && clock.monotonic() - began > longestWait) failures = 0;
    const rounds = Math.floor(failures++ / servers.length);
    await sleep(clock, backoff(random, rounds, 200, longestWait), signal);
  }
}

/** Connects to `server` and waits for the end of the link. Answers whether there was one. */
async function attempt(
  server: Server,
  options: LinkOptions,
  outage: Outage,
  signal: AbortSignal,
): Promise<boolean> {
  const { name, credentials, tls, connectTimeout: timeout = 5_000, pingInterval = 5_000 } = options;
  let wasUp = false;
  try {
    const settings = { name, credentials: credentials(), tls, timeout, pingInterval };
    const { link, lost } = await dial(server, settings, signal);
    wasUp = true;
    try {
      if (!signal.aborted) outage.end(server, link);
      throw new ConnectFailure('unreachable', await lost);
    } finally {
      await link.close();
    }
  } catch (error) {
    const failure =
      error instanceof ConnectFailure ? error : new ConnectFailure('unreachable', reasonOf(error));
    if (!signal.aborted) outage.add(server, failure);
  }
  return wasUp;
}

/** What is known of the time without a link: from when on, and the last failure of each server. */
class Outage {
  readonly #options: LinkOptions;
  readonly #events: LinkEvents;
  readonly #limitedLog: LimitedLog;
  readonly #reasons = new Map<Server, string>();
  #since: number | undefined;
  #everUp = false;

  constructor(options: LinkOptions, events: LinkEvents) {
    this.#options = options;
    this.#events = events;
    this.#limitedLog = limitedLog(options.log, options.clock);
  }

  add(server: Server, { fault, message: reason }: ConnectFailure): void {
    const { clock, log } = this.#options;
    const fields = { server: server.label, fault };
    if (this.#everUp && this.#since === undefined) {
      log.warn(fields, `lost the broker: ${reason}`);
    } else {
      const key = `${server.label} ${reason}`;
      this.#limitedLog.warn(key, fields, `cannot connect to the broker: ${reason}`);
    }
    this.#since ??= clock.monotonic();
    if (this.#reasons.get(server) === reason) return;
    this.#reasons.set(server, reason);
    this.#events.down({ kind: 'disconnected', fault, reason, since: this.#since });
  }

  end(server: Server, link: Link): void {
    const { clock, log } = this.#options;
    const version = printable(link.info?.version ?? '', 64);
    const fields = { server: server.label, version };
    const after = this.#since === undefined ? 0 : Math.round(clock.monotonic() - this.#since);
    if (this.#everUp) log.info({ ...fields, after }, 'connected to the broker again');
    else log.info(fields, 'connected to the broker');
    this.#everUp = true;
    this.#since = undefined;
    this.#reasons.clear();
    this.#events.up(link, { kind: 'connected', server: server.label, version });
  }
}
