// Knocks at a server: connects once with some credentials to see whether the server lets them in, and does nothing there.
import type { NatsConnection as Link } from 'nats';
import { systemClock } from '../system/clock.ts';
import { errnoOf } from '../system/errors.ts';
import type { Credentials } from './credentials.ts';
import { dial } from './dial.ts';
import { ConnectFailure, type ServerGreeting } from './failure.ts';
import { parseServers } from './server.ts';
import type { TlsFiles } from './tls.ts';

export interface KnockOptions {
  /** The address of the server, such as `nats://host:4222`. */
  url: string;
  name: string;
  credentials: Credentials;
  tls: TlsFiles | undefined;
  /** Time for all of it, in milliseconds. */
  timeoutMs: number;
  /** Ends the attempt. */
  signal: AbortSignal;
  /** Whether a client that is let in also tries what it may do. */
  triesRights?: boolean;
  /** Called when the server has greeted, before anything is shown to it. */
  onGreeting?: (() => void) | undefined;
}

export interface Knock {
  /** `silent` is a server that greeted and then did not answer, or hung up. */
  outcome: 'in' | 'refused' | 'silent' | 'unreachable';
  /** Undefined when the server did not greet. */
  greeting: ServerGreeting | undefined;
  /** Whether the client that was let in may hear or say anything; undefined when it did not try. */
  hasRights?: boolean;
  /** Why the client is not in, in a sentence. */
  reason: string | undefined;
}

export async function knock({
  url,
  signal,
  onGreeting,
  triesRights,
  ...options
}: KnockOptions): Promise<Knock> {
  const [server] = parseServers([url]);
  if (!server) throw new Error('unreachable: parseServers returns one server for each address');
  let greeting: ServerGreeting | undefined;
  const settings = {
    ...options,
    pingIntervalMs: 60_000,
    now: () => systemClock.now(),
    onGreeting: (sent: ServerGreeting) => {
      greeting = sent;
      onGreeting?.();
    },
  };
  try {
    const { link } = await dial(server, settings, signal);
    try {
      const rights = triesRights ? { hasRights: await hasRights(link) } : {};
      return { outcome: 'in', greeting, reason: undefined, ...rights };
    } finally {
      await link.close();
    }
  } catch (error) {
    if (!(error instanceof ConnectFailure)) throw error;
    // A login that nobody answers is called unauthorized too, because that is what it means to a node.
    const isRefused = error.fault === 'unauthorized' && errnoOf(error.cause) !== 'TIMEOUT';
    const outcome = isRefused ? 'refused' : greeting ? 'silent' : 'unreachable';
    return { outcome, greeting, reason: error.message };
  }
}

/** Returns whether a client may subscribe to everything, or publish something that nobody expects. */
async function hasRights(link: Link): Promise<boolean> {
  const denied = new Set<string>();
  void noteDenials(link, denied);
  link.subscribe('>', { callback: () => undefined });
  link.publish('muster.trial');
  // What the server refuses, it refuses before it answers the first ping. The client tells of it before the second answer.
  await link.flush();
  await link.flush();
  return !denied.has('subscription') || !denied.has('publish');
}

async function noteDenials(link: Link, denied: Set<string>): Promise<void> {
  for await (const { permissionContext } of link.status())
    if (permissionContext) denied.add(permissionContext.operation);
}
