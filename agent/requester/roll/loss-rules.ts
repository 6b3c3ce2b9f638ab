// The loss rules say whether the store has lost a node's record, by what was announced about the node. They are pure
// functions.
import { divideChanges, type Membership } from '../../protocol/node-state.ts';
import { type AnnouncedMembership, incarnationOf, type StoredRecord } from './stored-record.ts';

/** What the comparison has to know about the store and the settings. */
export interface ComparisonContext {
  /** The present incarnation of the store. */
  incarnation: string;
  manualApproval: boolean;
}

/**
 * Returns whether the store has lost what was announced of a node, so that only an operator can say what becomes of it. A
 * loss that a registration repairs by itself is none, nor is an older record that says the same of the node.
 */
export const isLost: LossRule = (announced, stored, context) =>
  isOutdated(announced, stored, context) && !isUndecided(announced, stored);

/**
 * Returns whether the node of a record gave way to newer registrations after the record was written, and no operator had
 * decided about the node. It may register again by itself, so such a record counts for nothing.
 */
export const gaveWaySince: LossRule = (announced, stored, context) =>
  isUndecided(announced, stored) && isOutdated(announced, stored, context);

type LossRule = (announced: AnnouncedMembership, stored: StoredRecord, context: ComparisonContext) => boolean;

const isUndecided = ({ kind }: AnnouncedMembership, stored: StoredRecord): boolean =>
  kind === 'expired' &&
  (stored.kind === 'deleted' || (stored.kind === 'record' && !isDecision(stored.state.Membership)));

const isDecision = (membership: Membership | ''): boolean =>
  membership === 'APPROVED' || membership === 'REJECTED';

// Returns whether the store has an older state of a node than the announced one, and another.
function isOutdated(
  { membership, kind, write }: AnnouncedMembership,
  stored: StoredRecord,
  { incarnation, manualApproval }: ComparisonContext,
): boolean {
  const fresh = manualApproval ? 'PENDING' : 'APPROVED';
  // A node that gave way registers as a new one, whether or not its marker is still there.
  if (kind === 'expired' && stored.kind === 'absent') return false;
  if (stored.revision === 0) return stored.kind === 'absent' && membership !== fresh;
  if (stored.kind === 'unreadable' || stored.kind === 'lost') return false;
  if (stored.kind === 'record' && stored.state.Info.NodeType === 'Requester') return false;
  if (kind !== 'expired' && membershipIn(stored, fresh) === membership) return false;
  // An event of an earlier version of muster names no incarnation. So its revision may be one of an earlier store.
  if (write.incarnation === undefined) return false;
  const written = incarnationOf(stored);
  if (written === write.incarnation) return stored.revision < write.revision;
  if (written === incarnation) return false;
  if (written === undefined && write.incarnation === incarnation) return stored.revision < write.revision;
  const writtenAt = timeOf(stored);
  return writtenAt !== undefined && writtenAt < Date.parse(write.at);
}

// Returns the membership that a stored record means for its node. A node that gave way to others registers as a new one.
function membershipIn(stored: StoredRecord, fresh: Membership): Membership | '' | undefined {
  if (stored.kind === 'record') return stored.state.Membership || undefined;
  // A record that is arriving is not on the roll yet.
  return ['deleted', 'renamed', 'arriving'].includes(stored.kind) ? '' : fresh;
}

// Returns the time of the newest registration or decision in a record, or of a deletion, in milliseconds; undefined when it
// names none, as a record of Bacalhau.
function timeOf(stored: StoredRecord): number | undefined {
  if (stored.kind === 'deleted' || stored.kind === 'absent' || stored.kind === 'renamed')
    return stored.at === undefined ? undefined : Date.parse(stored.at);
  if (!('state' in stored)) return undefined;
  const { RegisteredAt, Decision, Former, FormerIDs, Changes = [] } = stored.state.Muster ?? {};
  const times = [
    RegisteredAt,
    Decision?.At,
    Former?.UndeletedAt,
    FormerIDs?.[0]?.At,
    ...divideChanges(Changes).known.map(({ At }) => At),
  ].flatMap(at => at ?? []);
  return times.length === 0 ? undefined : Math.max(...times.map(at => Date.parse(at)));
}
