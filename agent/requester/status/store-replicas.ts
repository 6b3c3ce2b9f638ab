// Says what the servers of a cluster that store a stream can take, in words. These are pure functions.
import type { Trouble } from '../../system/trouble.ts';
import type { StreamReplicas } from '../../transport/port.ts';
import { streamText } from './stream-text.ts';

/** Returns why nothing can be written to a stream; undefined when it can. */
export function quorumFault({ replicas, leader, others }: StreamReplicas): string | undefined {
  if (leader !== undefined) return undefined;
  // The server that answers is there, although it does not call itself current while it has no leader.
  const away = Math.min(others.filter(({ isCurrent }) => !isCurrent).length, Math.max(replicas - 1, 1));
  const missing = away - (replicas - majorityOf(replicas));
  if (replicas === 1) return 'no quorum: the only server of it is away; nothing is decided until it is back';
  // While the servers choose a leader, none of them may be away.
  if (missing <= 0)
    return 'no quorum: its servers have no leader now; nothing is decided until they have one';
  const back = missing === 1 ? 'one is back' : `${missing} are back`;
  return `no quorum: ${away} of ${replicas} servers are away; nothing is decided until ${back}`;
}

/** What to do when a cluster does not find a stream that was there before. */
export const missingHint =
  'when a NATS server came back empty, it gets the stream from the others; when muster store raise or lower was interrupted, run that again where it began; otherwise stop all requesters, then: muster restore; to begin with an empty store, remove the streams that are left and store-mark.json in the folder of each before it starts again';

/** A stream that somebody else has put on more servers than those on which it was made. */
export interface RaisedStream {
  stream: string;
  from: number;
  to: number;
}

export interface ReplicaSources {
  /** What the cluster said of each stream. */
  readonly replicas: readonly StreamReplicas[];
  /** The names of the servers that are not current for a while, of each stream. */
  readonly behind: ReadonlyMap<string, readonly string[]>;
  /** The streams that the cluster had and does not find any more. */
  readonly missing: readonly string[];
}

/** Returns the troubles of the streams in a cluster, the most important one first; none on a single server. */
export function replicaTroubles({ replicas, behind, missing }: ReplicaSources): Trouble[] {
  const quorum = quorumTrouble(replicas);
  return [
    quorum,
    missing.length > 0 ? missingTrouble(missing) : undefined,
    // The servers that are away are named already. Another stream may still have a leader that has not noticed it.
    quorum ? undefined : behindTrouble(replicas, behind),
    singleTrouble(replicas),
  ].filter(trouble => trouble !== undefined);
}

function quorumTrouble(replicas: readonly StreamReplicas[]): Trouble | undefined {
  const without = replicas.filter(each => quorumFault(each));
  const fault = without[0] && quorumFault(without[0]);
  if (fault === undefined) return undefined;
  const away = namesOf(without.flatMap(({ others }) => others.filter(each => !each.isCurrent)));
  return {
    code: 'no_quorum',
    text: `${fault} (${streamsText(without)})`,
    hint:
      away.length > 0
        ? `start the NATS servers that are away (${away.join(', ')} did not answer the others); the rest comes back by itself`
        : 'start the NATS servers that are away; the rest comes back by itself',
  };
}

const missingTrouble = (streams: readonly string[]): Trouble => ({
  code: 'store_missing',
  text: `the cluster of NATS servers does not find the ${streams.length === 1 ? 'stream' : 'streams'} ${streams.map(streamText).join(', ')} any more, so nothing is stored there`,
  hint: missingHint,
});

function behindTrouble(
  replicas: readonly StreamReplicas[],
  behind: ReadonlyMap<string, readonly string[]>,
): Trouble | undefined {
  const led = replicas.filter(({ leader, stream }) => leader !== undefined && behind.has(stream));
  if (led.length === 0) return undefined;
  const names = [...new Set(led.flatMap(({ stream }) => behind.get(stream) ?? []))];
  const most = Math.max(...led.map(({ stream }) => behind.get(stream)?.length ?? 0));
  const spare = Math.min(...led.map(each => each.replicas - majorityOf(each.replicas))) - most;
  const left = spare <= 0 ? 'survives the loss of no further server' : `survives the loss of ${spare} more`;
  return {
    code: 'replica_behind',
    text: `${names.join(' and ')} ${names.length === 1 ? 'is' : 'are'} away or behind, so the store ${left} (${streamsText(led)})`,
    hint: 'start that NATS server, or see its log; it catches up by itself, unless its disk was full: then it has to be started again',
  };
}

// With two servers, one that stores is better than both.
function singleTrouble(replicas: readonly StreamReplicas[]): Trouble | undefined {
  const single = replicas.filter(each => each.replicas === 1 && each.servers >= 3);
  if (single.length === 0) return undefined;
  return {
    code: 'single_replica',
    text: `${streamsText(single)} ${single.length === 1 ? 'is' : 'are'} on one server of the NATS cluster only: when that server is lost, so is what it stores`,
    hint: 'have three servers store it, while the requesters run: muster store raise',
  };
}

const majorityOf = (replicas: number): number => Math.floor(replicas / 2) + 1;

const namesOf = (servers: readonly { name: string }[]): string[] => [
  ...new Set(servers.map(({ name }) => name)),
];

const streamsText = (streams: readonly StreamReplicas[]): string =>
  streams.map(({ stream }) => streamText(stream)).join(', ');
