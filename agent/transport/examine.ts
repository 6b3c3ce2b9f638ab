// Looks at a broker once, and changes nothing there: does it take us, which version is it, what does its clock say.
import type { NatsConnection as Link } from 'nats';
import { parseJson } from '../protocol/json.ts';
import { type Clock, systemClock } from '../system/clock.ts';
import type { Credentials } from './credentials.ts';
import { dial } from './dial.ts';
import { ConnectFailure } from './failure.ts';
import type { ConnectFault } from './port.ts';
import { parseServers, type Server } from './server.ts';
import type { TlsFiles } from './tls.ts';

export interface ExamineOptions {
  servers: readonly string[];
  credentials: Credentials;
  tls: TlsFiles | undefined;
  /** Milliseconds for one broker. */
  timeout: number;
  /** A stream that may be there: the broker tells its time along with what it knows of one. */
  stream: string;
  clock?: Clock;
}

export interface Examination {
  /** The broker, as messages name it. */
  readonly server: string;
  /** Its host, without brackets. */
  readonly host: string;
  readonly found: BrokerFacts | BrokerRefusal;
}

/** Why we are not in, a sentence; and the version, if the broker came to say it. */
export interface BrokerRefusal {
  readonly fault: ConnectFault;
  readonly reason: string;
  readonly version?: string | undefined;
}

export interface BrokerFacts {
  /** As it names itself: any text. */
  readonly version: string;
  readonly jetstream: boolean;
  readonly encrypted: boolean;
  /** It lets nobody in without credentials. */
  readonly asksForLogin: boolean;
  /** Milliseconds from a ping to its answer. */
  readonly roundTrip: number;
  /** Milliseconds by which its clock is ahead of ours, give or take half of `roundTrip`; undefined when it did not say. */
  readonly clockAhead: number | undefined;
}

/** Looks at every broker of `servers`, all at once. Rejects only when an address is none. */
export async function examine(options: ExamineOptions): Promise<Examination[]> {
  return Promise.all(parseServers(options.servers).map(server => examineOne(server, options)));
}

async function examineOne(server: Server, options: ExamineOptions): Promise<Examination> {
  const { credentials, tls, timeout, stream, clock = systemClock } = options;
  const { label, host } = server;
  const settings = { name: 'muster doctor', credentials, tls, timeout, pingInterval: 60_000 };
  try {
    const { link } = await dial(server, settings, new AbortController().signal);
    try {
      const began = clock.monotonic();
      await link.rtt();
      const roundTrip = clock.monotonic() - began;
      const { version = '', jetstream = false, auth_required, tls_required } = link.info ?? {};
      return {
        server: label,
        host,
        found: {
          version,
          jetstream,
          encrypted: server.tls || tls_required === true || tls?.handshakeFirst === true,
          asksForLogin: auth_required === true,
          roundTrip,
          clockAhead: await clockAhead(link, stream, clock),
        },
      };
    } finally {
      await link.close();
    }
  } catch (error) {
    if (!(error instanceof ConnectFailure)) throw error;
    const { fault, message: reason, version } = error;
    return { server: label, host, found: { fault, reason, version } };
  }
}

// A question about a stream changes nothing, and since 2.10 the answer carries the time.
async function clockAhead(link: Link, stream: string, clock: Clock): Promise<number | undefined> {
  try {
    const sent = clock.now().getTime();
    const { data } = await link.request(`$JS.API.STREAM.INFO.${stream}`, '', { timeout: 2_000 });
    const middle = (sent + clock.now().getTime()) / 2;
    const { ts } = parseJson(data) as { ts?: unknown };
    const time = Date.parse(String(ts));
    return Number.isFinite(time) ? time - middle : undefined;
  } catch {
    // Not permitted, no JetStream, or no time in it: not every broker tells.
    return undefined;
  }
}
