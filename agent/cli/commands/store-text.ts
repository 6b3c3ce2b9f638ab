// Says for people which servers of a NATS cluster store the roll, and which of them are away or behind.
import type { RequesterStatus } from '../../requester/status/requester-status.ts';

type Streams = NonNullable<RequesterStatus['store']>;

/** Returns the text; empty for a store on a single server. Streams that are alike are named together. */
export function storeText(streams: Streams): string {
  const alike = Map.groupBy(streams, whereText);
  return [...alike]
    .map(([where, group]) => (alike.size === 1 ? where : `${group.map(nameOf).join(', ')}: ${where}`))
    .join('; ');
}

function whereText({ replicas, leader, others }: Streams[number]): string {
  const where = replicas === 1 ? 'on one server' : `on ${replicas} servers`;
  const late = others.filter(({ current }) => !current);
  const lateText = late.map(({ server, lag }) => (lag > 0 ? `${server} (${lag} behind)` : server)).join(', ');
  if (leader === undefined) return `${where}, no leader${lateText ? `, away: ${lateText}` : ''}`;
  if (late.length > 0) return `${where}, away or behind: ${lateText}`;
  return replicas === 1 ? `${where} (${leader})` : `${where}, all current`;
}

const nameOf = ({ stream }: Streams[number]): string => stream.replace(/^KV_/, '');
