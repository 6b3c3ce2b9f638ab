// Opens a requester: reads the store, makes the parts and starts them. This runs once at the start.
import { followRecords } from './cluster/record-follower.ts';
import type { DirectoryParts } from './directory/directory-parts.ts';
import type { Conflict } from './events/conflict-detector.ts';
import type { EventPublisher } from './events/event-publisher.ts';
import { makeGate } from './make-gate.ts';
import { type MadeParts, makeParts, type PartsOptions } from './make-parts.ts';
import { type OpenStore, openStore } from './open-store.ts';
import type { Past } from './past.ts';
import { endParts, loadRoll, startParts } from './start-parts.ts';
import type { Lease } from './watcher/lease.ts';
import type { Peers } from './watcher/peers.ts';
import type { WatchDuty } from './watcher/watch-duty.ts';

export interface Parts extends DirectoryParts {
  clusterId: string;
  events: EventPublisher;
  /** The other requesters of the roll. */
  peers: Peers;
  /** Says whether this requester watches over the roll. */
  duty: Pick<WatchDuty, 'watches'>;
  /** Says which requester watches, as far as this one knows. */
  lease: Pick<Lease, 'holder'>;
  /** Takes no further requests of nodes, and resolves when those that were received are answered. */
  finishRequests(): Promise<void>;
  /** Ends the subscriptions to nodes and the watch of the store. */
  silence(): void;
  /** Calls `silence`, waits at most `timeoutMs` until the waiting events are sent, and gives the lease back. */
  stop(timeoutMs: number): Promise<void>;
}

/** Time for the broker to say that it knows where this requester listens, in milliseconds. */
const flushTimeoutMs = 5_000;

/**
 * Reads the store and starts to answer nodes. @throws BrokerError when the store does not answer; then everything is undone
 * and this may be called again. MusterError as `openStore`.
 */
export async function openParts(options: PartsOptions): Promise<Parts> {
  const { store, past } = await openStore(options);
  try {
    return await connectParts(options, store, past);
  } catch (error) {
    store.peers.stop();
    await store.lease.release();
    throw error;
  }
}

async function connectParts(options: PartsOptions, store: OpenStore, past: Past): Promise<Parts> {
  const { clusterId, stream } = store;
  const gate = makeGate(options, store);
  const { enrolment, listeners } = gate ?? {};
  const made = { ...makeParts(options, store, past, gate), enrolment, listeners };
  const sets = [...made.operators.sets, ...(enrolment?.sets ?? []), ...(listeners?.sets ?? [])];
  const following = await followRecords(store.cluster, sets, store.recovery, options);
  const started = await loadAndStart(options, store, made, past).catch(error => {
    following.stop();
    throw error;
  });
  const { duty, finishRequests } = started;
  const silence = () => {
    started.end();
    following.stop();
  };
  const { roll, health, resources, executions, history, events, operators } = made;
  const { log, self } = options;
  // Whoever asks from here on is heard, because the broker knows where this requester listens. A link that is lost tells it again.
  await options.connection.flush(flushTimeoutMs).catch(err => {
    log.warn(
      { err },
      'the broker may not know yet where this requester listens, so nodes that ask now ask again',
    );
  });
  log.info({ node: self.NodeID, cluster: clusterId, nodes: roll.records.size }, 'the requester is ready');
  const stop = async (timeoutMs: number) => {
    silence();
    await endParts(options, store, made, timeoutMs);
  };
  const conflicts = { latest: (id: string) => latestConflict(made, id) };
  const joinCodes = enrolment?.joinCodes;
  const keys = enrolment?.decisions;
  return {
    clusterId,
    joinCodes,
    listeners,
    roll,
    health,
    resources,
    executions,
    history,
    conflicts,
    keys,
    events,
    peers: store.peers,
    duty,
    lease: store.lease,
    recovery: store.recovery,
    operators,
    stream,
    cluster: store.cluster,
    renames: made.renames,
    finishRequests,
    silence,
    stop,
  };
}

async function loadAndStart(options: PartsOptions, store: OpenStore, made: MadeParts, past: Past) {
  await loadRoll(options, made, past);
  return startParts(options, store, made, past.history.lastSequence);
}

/** Returns the later one of the last conflict of two processes and the last one of two keys. */
function latestConflict({ conflicts, enrolment }: MadeParts, id: string): Conflict | undefined {
  const ofProcesses = conflicts.latest(id);
  const ofKeys = enrolment?.latestConflict(id);
  if (!ofProcesses || !ofKeys) return ofProcesses ?? ofKeys;
  return ofKeys.at > ofProcesses.at ? ofKeys : ofProcesses;
}
