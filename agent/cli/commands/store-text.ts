// Says for people which servers of a NATS cluster store the roll, and which of them are away or behind.
import type { RequesterStatus } from '../../requester/status/requester-status.ts';
import { streamText } from '../../requester/status/stream-text.ts';

type Streams = NonNullable<RequesterStatus['store']>;

/**
 * Returns the text; empty for a store on a single server. Streams are named only when they are on different numbers of
 * servers, because a server that is away or behind is so for all of them.
 */
export function storeText(streams: Streams): string {
  const groups = [...Map.groupBy(streams, ({ replicas }) => replicas).values()];
  return groups
    .map(group =>
      groups.length === 1
        ? whereText(group)
        : `${group.map(({ stream }) => streamText(stream)).join(', ')}: ${whereText(group)}`,
    )
    .join('; ');
}

function whereText(streams: Streams): string {
  const replicas = streams[0]?.replicas ?? 1;
  const where = replicas === 1 ? 'on one server' : `on ${replicas} servers`;
  const late = lateText(streams);
  if (streams.some(({ leader }) => leader === undefined))
    return `${where}, no leader${late ? `, away: ${late}` : ''}`;
  if (late) return `${where}, away or behind: ${late}`;
  const leaders = [...new Set(streams.map(({ leader }) => leader))];
  return replicas === 1 ? `${where} (${leaders.join(', ')})` : `${where}, all current`;
}

/** Returns each server that is not current for a stream, with the most that it lacks of one. */
function lateText(streams: Streams): string {
  const late = streams.flatMap(({ others }) => others.filter(({ current }) => !current));
  return [...Map.groupBy(late, ({ server }) => server)]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([server, each]) => {
      const lag = Math.max(...each.map(({ lag: ofStream }) => ofStream));
      return lag > 0 ? `${server} (${lag} ${lag === 1 ? 'write' : 'writes'} behind)` : server;
    })
    .join(', ');
}
