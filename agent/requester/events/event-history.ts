// What was announced before this start, read back from the event stream: nothing is told twice, nothing is left untold.
import * as v from 'valibot';
import { revisionOfEventId } from '../../protocol/events.ts';
import { parseJson } from '../../protocol/json.ts';
import type { Health, RecordedChange } from '../../protocol/node-state.ts';
import { eventWildcard } from '../../protocol/subjects.ts';
import type { EventStream } from '../../transport/port.ts';
import { eventStream } from './event-publisher.ts';

const idSchema = v.object({ id: v.pipe(v.string(), v.maxLength(512)) });

/** The last that was told of each node. */
export interface History {
  /** The store revision in the newest event of each kind: up to the newest of these that a record knows, all was told. */
  revisions(node: string): readonly number[];
  /** The health that was told last; UNKNOWN when none was since the node registered. */
  health(node: string): Health;
}

/** Reads the newest event of each node and kind. Throws BrokerError. */
export async function readHistory(stream: EventStream): Promise<History> {
  const revisions = new Map<string, number[]>();
  const healths = new Map<string, { sequence: number; health: Health }>();
  await stream.lastPerSubject(eventWildcard(), message => {
    const [, , node, kind] = message.subject.split('.');
    if (!node || !kind) return;
    const health = healthAfter.get(kind);
    if (health && (healths.get(node)?.sequence ?? 0) < message.sequence) {
      healths.set(node, { sequence: message.sequence, health });
    }
    const revision = revisionOf(node, message.data);
    if (revision === undefined) return;
    const known = revisions.get(node);
    if (known) known.push(revision);
    else revisions.set(node, [revision]);
  });
  return {
    revisions: node => revisions.get(node) ?? [],
    health: node => healths.get(node)?.health ?? 'UNKNOWN',
  };
}

/**
 * The changes of a record whose events have yet to be sent, by the revisions that were told. Older ones than the stream keeps
 * are let go: their acknowledgement may have aged out with them.
 */
export function untold(
  changes: RecordedChange[],
  toldRevisions: readonly number[],
  now: Date,
): RecordedChange[] {
  const oldest = now.getTime() - eventStream.maxAgeMs + 24 * 3600 * 1000;
  // A revision of none of the changes may be of a store that was lost, or was never one: it says nothing of them.
  const newest = changes.findLastIndex(({ Revision }) => toldRevisions.includes(Revision));
  return changes.slice(newest + 1).filter(({ At }) => Date.parse(At) > oldest);
}

// No object: anybody may publish a kind such as `constructor`.
const healthAfter: ReadonlyMap<string, Health> = new Map([
  ['healthy', 'HEALTHY'],
  ['unhealthy', 'UNHEALTHY'],
  ['unknown', 'UNKNOWN'],
  ['left', 'UNKNOWN'],
  // A node that is new on the roll has no past.
  ['registered', 'UNKNOWN'],
  ['deleted', 'UNKNOWN'],
]);

function revisionOf(node: string, data: Uint8Array): number | undefined {
  try {
    const { id } = v.parse(idSchema, parseJson(data));
    return id.startsWith(`${node}:`) ? revisionOfEventId(id) : undefined;
  } catch {
    // Not an event of ours: whoever may publish here can also publish nonsense.
    return undefined;
  }
}
