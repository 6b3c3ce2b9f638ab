// Asks a broker once whether it accepts our credentials, and changes nothing there.
import type { NatsConnection as Link } from 'nats';
import { parseJson } from '../protocol/json.ts';
import { type Clock, systemClock } from '../system/clock.ts';
import type { Credentials } from './credentials.ts';
import { dial } from './dial.ts';
import { ConnectFailure } from './failure.ts';
import type { ConnectFault } from './port.ts';
import { parseServers, type Server } from './server.ts';
import type { TlsFiles } from './tls.ts';

export interface AccessCheckOptions {
  servers: readonly string[];
  /** The name of the connection; `muster doctor` by default. */
  name?: string | undefined;
  credentials: Credentials;
  tls: TlsFiles | undefined;
  /** Time for one broker, in milliseconds. */
  timeoutMs: number;
  /** Name of a stream that may exist. The answer to a question about it contains the broker's time. */
  stream: string;
  clock?: Clock;
}

export interface AccessCheck {
  /** The broker's URL, as messages name it. */
  readonly server: string;
  /** The broker's host, without brackets. */
  readonly host: string;
  readonly result: BrokerFacts | BrokerRefusal;
}

/** The reason why the broker refused the connection, and the broker's version if it was sent. */
export interface BrokerRefusal {
  readonly fault: ConnectFault;
  /** A sentence for the operator. */
  readonly reason: string;
  readonly version?: string | undefined;
}

export interface BrokerFacts {
  /** The version that the broker sent. It may be any text. */
  readonly version: string;
  readonly jetstream: boolean;
  readonly encrypted: boolean;
  /** Whether the broker refuses everybody without credentials. */
  readonly asksForLogin: boolean;
  /** Time from a ping to its answer, in milliseconds. */
  readonly roundTripMs: number;
  /** The lead of the broker's clock over ours, in milliseconds, with an error of at most half of `roundTripMs`. */
  readonly clockAheadMs: number | undefined;
}

/**
 * Checks the access to every broker of `servers`, all at the same time. `muster doctor` calls it.
 * @throws MusterError `bad_config` when one of `servers` is not an address.
 */
export async function checkAccess(options: AccessCheckOptions): Promise<AccessCheck[]> {
  return Promise.all(parseServers(options.servers).map(server => checkServer(server, options)));
}

/**
 * Returns why the broker at `url` does not accept `credentials` now, in a sentence; undefined when it does. The requester
 * asks its own broker.
 */
export async function whyNotLetIn(
  url: string,
  credentials: Credentials,
  tls: TlsFiles | undefined,
): Promise<string | undefined> {
  const [server] = parseServers([url]);
  if (!server) return undefined;
  const settings = {
    name: 'muster probe',
    credentials,
    tls,
    timeoutMs: 2_000,
    pingIntervalMs: 60_000,
    now: () => systemClock.now(),
  };
  try {
    const { link } = await dial(server, settings, new AbortController().signal);
    await link.close();
    return undefined;
  } catch (error) {
    if (error instanceof ConnectFailure) return error.message;
    throw error;
  }
}

async function checkServer(server: Server, options: AccessCheckOptions): Promise<AccessCheck> {
  const { name = 'muster doctor', credentials, tls, timeoutMs, clock = systemClock } = options;
  const { label, host } = server;
  const now = () => clock.now();
  const settings = { name, credentials, tls, timeoutMs, pingIntervalMs: 60_000, now };
  try {
    const { link, isEncrypted: encrypted } = await dial(server, settings, new AbortController().signal);
    try {
      return { server: label, host, result: { ...(await readFacts(link, options)), encrypted } };
    } finally {
      await link.close();
    }
  } catch (error) {
    if (!(error instanceof ConnectFailure)) throw error;
    const { fault, message: reason, version } = error;
    return { server: label, host, result: { fault, reason, version } };
  }
}

async function readFacts(
  link: Link,
  { stream, clock = systemClock }: AccessCheckOptions,
): Promise<Omit<BrokerFacts, 'encrypted'>> {
  const began = clock.monotonic();
  await link.rtt();
  const roundTripMs = clock.monotonic() - began;
  const { version = '', jetstream = false, auth_required } = link.info ?? {};
  return {
    version,
    jetstream,
    asksForLogin: auth_required === true,
    roundTripMs,
    clockAheadMs: await readClockAhead(link, stream, clock),
  };
}

// Returns how far the broker's clock is ahead. A question about a stream changes nothing, and since NATS 2.10 the answer
// contains the broker's time.
async function readClockAhead(link: Link, stream: string, clock: Clock): Promise<number | undefined> {
  try {
    const sent = clock.now().getTime();
    const { data } = await link.request(`$JS.API.STREAM.INFO.${stream}`, '', { timeout: 2_000 });
    const middle = (sent + clock.now().getTime()) / 2;
    const { ts } = parseJson(data) as { ts?: unknown };
    const time = Date.parse(String(ts));
    return Number.isFinite(time) ? time - middle : undefined;
  } catch {
    // The question may be forbidden, the broker may have no JetStream, or its answer may contain no time.
    return undefined;
  }
}
