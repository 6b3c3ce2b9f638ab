// Says which streams of the store move to another number of servers. These are pure functions.
import { MusterError } from '../../system/errors.ts';
import type { StreamCounts } from '../../transport/port.ts';
import { streamText } from '../status/stream-text.ts';

/** A stream of the store, and what the broker says of it; undefined when the broker does not have it. */
export interface FoundStream<Name extends string = string> {
  name: Name;
  counts: StreamCounts | undefined;
  /** The number of servers on which it was made, if that is known. */
  madeOn?: number | undefined;
}

/** A stream that is to move. */
export interface Move<Name extends string = string> {
  name: Name;
  from: number;
  to: number;
  counts: StreamCounts;
}

/**
 * Returns the streams that are not on `to` servers, or that somebody else has put on more than they were made on, in the order in which they move. The bucket of the cluster is the last,
 * because it has the record of the freeze. @throws MusterError `not_found` when a stream is missing
 */
export function movesTo<Name extends string>(to: number, found: readonly FoundStream<Name>[]): Move<Name>[] {
  const missing = found.filter(({ counts }) => !counts).map(({ name }) => streamText(name));
  if (missing.length > 0)
    throw new MusterError('not_found', `the cluster of NATS servers does not find ${missing.join(' and ')}`, {
      hint: 'when a move was interrupted, run this again on the machine on which that began; otherwise restore a backup: muster restore FILE',
    });
  return found
    .flatMap(({ name, counts, madeOn = counts?.replicas ?? 0 }) =>
      counts && (counts.replicas !== to || madeOn < to) ? [{ name, from: counts.replicas, to, counts }] : [],
    )
    .reverse();
}

/**
 * Refuses a move that the servers cannot carry out. `servers` is the number of servers that the present one names, itself
 * included; 0 when it names none. @throws MusterError `conflict`
 */
export function refuseMove(
  to: number,
  { isClustered, servers }: { isClustered: boolean; servers: number },
): void {
  if (!isClustered)
    throw new MusterError('conflict', 'this NATS is a single server, so it stores everything once', {
      hint: 'to move the roll to a cluster of three servers: muster backup FILE here, then muster restore FILE --replicas 3 there',
    });
  if (servers >= to || servers === 0) return;
  throw new MusterError('conflict', `the NATS cluster has ${servers} servers, and the store needs ${to}`, {
    hint: 'start the NATS servers that are away, or add some',
  });
}

/** Says for people what a move would do. */
export function describeMoves(moves: readonly Move[]): string {
  const lines = moves.map(
    ({ name, from, to, counts: { messages } }) =>
      `${streamText(name)}: ${messages} messages, ${
        from === to
          ? `made anew on ${servers(to)}, because they were changed in place`
          : `from ${servers(from)} to ${servers(to)}`
      }`,
  );
  return `${lines.join('\n')}\n`;
}

const servers = (count: number): string => (count === 1 ? 'one server' : `${count} servers`);
