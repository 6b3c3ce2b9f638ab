// The event history says what was announced before this start, so that each change is announced exactly once.
import * as v from 'valibot';
import { revisionOfEventId } from '../../protocol/events.ts';
import { parseJson } from '../../protocol/json.ts';
import type { Health, RecordedChange } from '../../protocol/node-state.ts';
import { eventWildcard } from '../../protocol/subjects.ts';
import type { EventStream } from '../../transport/port.ts';
import { eventStreamConfig } from './stream-config.ts';

const idSchema = v.object({ id: v.pipe(v.string(), v.maxLength(512)) });

/** The newest events of each node. */
export interface EventHistory {
  /**
   * Returns the store revisions in the newest event of each kind. All changes of a record up to the newest of these
   * revisions were announced.
   */
  revisions(node: string): readonly number[];
  /** The health that was announced last; UNKNOWN when none was announced since the node registered. */
  health(node: string): Health;
}

/**
 * Reads the newest event of each node and kind.
 * @throws BrokerError
 */
export async function readEventHistory(stream: EventStream): Promise<EventHistory> {
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
    const earlier = revisions.get(node);
    if (earlier) earlier.push(revision);
    else revisions.set(node, [revision]);
  });
  return {
    revisions: node => revisions.get(node) ?? [],
    health: node => healths.get(node)?.health ?? 'UNKNOWN',
  };
}

/**
 * Returns the changes that are not announced yet. `announcedRevisions` are the revisions that were announced. Changes
 * almost as old as the stream's age limit are left out, because the stream may have removed their events.
 */
export function unannouncedChanges(
  changes: RecordedChange[],
  announcedRevisions: readonly number[],
  now: Date,
): RecordedChange[] {
  const oldest = now.getTime() - eventStreamConfig.maxAgeMs + 24 * 3600 * 1000;
  // A revision that is in none of the changes may come from a lost store or from another program. It says nothing about
  // these changes.
  const newest = changes.findLastIndex(({ Revision }) => announcedRevisions.includes(Revision));
  return changes.slice(newest + 1).filter(({ At }) => Date.parse(At) > oldest);
}

// A Map and not an object, because anybody may publish an event whose kind is a name such as `constructor`.
const healthAfter: ReadonlyMap<string, Health> = new Map([
  ['healthy', 'HEALTHY'],
  ['unhealthy', 'UNHEALTHY'],
  ['unknown', 'UNKNOWN'],
  ['left', 'UNKNOWN'],
  // A node that registers again under this id starts without the health of the earlier node.
  ['registered', 'UNKNOWN'],
  ['deleted', 'UNKNOWN'],
]);

function revisionOf(node: string, data: Uint8Array): number | undefined {
  try {
    const { id } = v.parse(idSchema, parseJson(data));
    return id.startsWith(`${node}:`) ? revisionOfEventId(id) : undefined;
  } catch {
    // Anybody who may publish on the broker may publish something that is no membership event.
    return undefined;
  }
}
