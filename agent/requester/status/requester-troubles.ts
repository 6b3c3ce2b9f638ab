// Says what keeps a requester from doing its work. It is a pure function of the requester's state.
import { brokerTrouble, requesterRemedy } from '../../output/broker-trouble.ts';
import type { Trouble } from '../../system/trouble.ts';
import type { ConnectionState } from '../../transport/port.ts';
import type { OlderStore } from '../ledger/store-mark-file.ts';
import { roomHint, storeFault } from './store-fault.ts';
import { missingHint, type RaisedStream, type ReplicaSources, replicaTroubles } from './store-replicas.ts';
import type { StoreFailure } from './store-watch.ts';
import { streamText } from './stream-text.ts';

/** The process of a move of the store. */
interface Mover {
  requester: string;
  host: string;
  pid: number;
  since: string;
}

export interface RequesterTroubleSources {
  readonly connection: ConnectionState;
  /** The present time, in milliseconds of the monotonic clock. */
  readonly now: number;
  /** The folder of the requester's own broker; undefined when the broker is another one. */
  readonly brokerFolder: string | undefined;
  /** The public key by which a broker of others knows this requester; undefined when it has its own broker. */
  readonly loginKey?: string | undefined;
  /** What is wrong with the requester's own broker; undefined when it is well, or the broker is another one. */
  readonly brokerProblem: string | undefined;
  /** Why the store does not carry out what the requester writes; undefined when it does. */
  readonly storeFailure: StoreFailure | undefined;
  /** Who began to move the store and is silent; undefined when nobody is. */
  readonly silentMover?: Mover | undefined;
  /** The servers of a cluster that store the roll; undefined in tests. */
  readonly replicas?: ReplicaSources | undefined;
  /** The streams that somebody else has put on more servers in place. */
  readonly raised?: readonly RaisedStream[];
  /** Number of nodes whose records the store lost. */
  readonly lostRecords: number;
  /** The older store that was found and that no operator has confirmed; undefined when there is none. */
  readonly olderStore?: OlderStore | undefined;
  /** Why the silence of nodes does not count; undefined when it counts. */
  readonly degradedReason: string | undefined;
  /** A sentence about the verdicts on silent nodes that wait; undefined while none do. */
  readonly verdictsWait?: string | undefined;
  /** Names what should run and does not. */
  readonly stalled: string | undefined;
}

/** Returns the troubles of a requester, the most important one first. */
export function requesterTroubles(sources: RequesterTroubleSources): Trouble[] {
  const { connection, now, brokerFolder, brokerProblem, storeFailure, lostRecords, degradedReason, stalled } =
    sources;
  const { olderStore } = sources;
  const move = sources.silentMover && moveTrouble(sources.silentMover);
  // Half of a store that moves is not where it should be, and takes nothing.
  const replicas = (sources.replicas ? replicaTroubles(sources.replicas) : []).filter(
    ({ code }) => !move || code === 'no_quorum',
  );
  // What the cluster itself says is wrong is the reason why the store fails.
  const isExplained = move || replicas[0]?.code === 'no_quorum' || replicas[0]?.code === 'store_missing';
  const own = brokerProblem === undefined ? [] : [ownBrokerTrouble(brokerProblem, brokerFolder)];
  const restarts = 'the requester starts its broker again by itself; its log says why the broker ended';
  const broker = brokerTrouble(connection, now, brokerFolder === undefined ? loginHint(sources) : restarts);
  // What follows from a trouble of the broker is not shown beside it. A broker that hangs cannot be reached either.
  if (own.length > 0) return broker?.code === 'broker_refuses' ? [...own, broker] : own;
  if (broker) return [broker];
  return [
    storeFailure && !isExplained ? storeTrouble(storeFailure, brokerFolder) : undefined,
    ...replicas,
    sources.raised?.length && !move ? raisedTrouble(sources.raised) : undefined,
    move,
    lostRecords === 0 ? undefined : lossTrouble(lostRecords),
    olderStore && olderTrouble(olderStore),
    sources.verdictsWait ? waitTrouble(sources.verdictsWait) : undefined,
    // Without a quorum no verdict is given, which stands above.
    degradedReason === undefined || replicas[0]?.code === 'no_quorum'
      ? undefined
      : degradedTrouble(degradedReason),
    stalled === undefined ? undefined : stallTrouble(stalled),
  ].filter(trouble => trouble !== undefined);
}

/** Returns what to do when a broker of others refuses this requester; undefined for any other trouble. */
function loginHint({ connection, loginKey }: RequesterTroubleSources): string | undefined {
  return connection.kind === 'disconnected' && loginKey
    ? requesterRemedy(connection.fault, loginKey)
    : undefined;
}

function ownBrokerTrouble(problem: string, brokerFolder: string | undefined): Trouble {
  const isFull = /no space left/.test(problem);
  return {
    code: isFull ? 'store_full' : 'broker_failing',
    text: problem,
    hint: isFull
      ? roomHint(brokerFolder)
      : 'the requester restarts its broker where that can help; its log says more',
  };
}

function storeTrouble({ part, error }: StoreFailure, brokerFolder: string | undefined): Trouble {
  if (error.fault === 'store_missing')
    return {
      code: 'store_missing',
      text: `${storeFault(error, part)}: ${error.message}`,
      hint: missingHint,
    };
  const isFull = error.fault === 'no_space';
  return {
    code: isFull ? 'store_full' : 'store_failing',
    text: `${storeFault(error, part)}: ${error.message}`,
    hint: isFull ? roomHint(brokerFolder) : "the broker's log says more; the requester goes on trying",
  };
}

const moveTrouble = ({ requester, host, pid, since }: Mover): Trouble => ({
  code: 'move_interrupted',
  text: `the move of the store that process ${pid} beside ${requester} on ${host} began at ${since} was interrupted, so writes may fail`,
  hint: `run the same command again on ${host}, muster store raise or lower: it completes the move`,
});

function raisedTrouble(raised: readonly RaisedStream[]): Trouble {
  const streams = raised.map(({ stream, from, to }) => `${streamText(stream)} from ${from} to ${to}`);
  return {
    code: 'raised_in_place',
    text: `something else than muster has changed the number of servers in place: ${streams.join(', ')}; when one of them is killed, acknowledged writes can be lost`,
    hint: 'have the streams made anew, while the requesters run, which ends this: muster store raise --yes; until then restart each server once, cleanly, one after the other',
  };
}

function lossTrouble(lost: number): Trouble {
  return {
    code: 'records_lost',
    text: `the store lost the records of ${lost} ${lost === 1 ? 'node' : 'nodes'}`,
    hint: 'nothing is decided about them until: muster store rebuild; list them by: muster store rebuild --dry-run',
  };
}

function olderTrouble({ at }: OlderStore): Trouble {
  return {
    code: 'store_older',
    text: `the store was found at ${at} to be older than before, as after the restore of a backup: all join codes are void, and approvals, rejections and nodes of the time between are lost`,
    hint: 'look through the nodes by muster node list, then say that this store is the right one: muster store confirm',
  };
}

function degradedTrouble(reason: string): Trouble {
  return {
    code: 'degraded',
    text: `the requester cannot tell which nodes are silent: ${reason}`,
    hint: 'it calls no node UNHEALTHY meanwhile; its log says more',
  };
}

const waitTrouble = (text: string): Trouble => ({
  code: 'verdicts_wait',
  text,
  hint: 'no node is called UNHEALTHY until then; it ends by itself, and earlier when the nodes are heard again',
});

function stallTrouble(what: string): Trouble {
  return {
    code: 'stalled',
    text: `${what} should run and does not`,
    hint: 'restart the requester, and report its log',
  };
}
