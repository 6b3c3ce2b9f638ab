// Says what an operation did to one node, and whether that still stands, from the record and the events. It is pure.
import type { OperationDecision } from '../../protocol/http-operations.ts';
import type { NodeState, RecordedChange } from '../../protocol/node-state.ts';
import { type Remembered, rememberedOperations } from '../../protocol/operation.ts';
import { fingerprintOf } from '../roll/node-key.ts';
import type { Roll } from '../roll/roll.ts';
import { operationsOf, type StoredRecord } from '../roll/stored-record.ts';
import type { OperationEvent } from './operation-events.ts';

/** The kinds of later changes that take the place of one. */
const overtakenBy: Readonly<Record<string, RegExp>> = {
  approved: /^(approved|rejected|deleted)$/,
  rejected: /^(approved|rejected|deleted)$/,
  rekeyed: /^(rekeyed|deleted)$/,
  cordoned: /^(cordoned|uncordoned|deleted)$/,
  uncordoned: /^(cordoned|uncordoned|deleted)$/,
  labelled: /^deleted$/,
  renamed: /^(renamed|deleted)$/,
  undeleted: /^deleted$/,
  rebuilt: /^(approved|rejected|deleted)$/,
  deleted: /^(approved|rejected|deleted|rekeyed|cordoned|uncordoned|labelled|undeleted|renamed)$/,
};

type Facts = Omit<OperationDecision, 'NodeID' | 'Stands' | 'Later'>;

/** Returns what the operation did to `node`. It must be in the record, or in one of `events`. */
export function decisionOf(
  operation: string,
  node: string,
  roll: Pick<Roll, 'records' | 'untold'>,
  events: readonly OperationEvent[],
): OperationDecision {
  const stored = roll.records.stored(node);
  const event = events.find(each => each.node === node);
  const untold = roll.untold(node).find(change => change.Operation === operation);
  const facts = factsOf(operation, stored, event, untold);
  const Later = laterOf(operation, facts.Kind, stored, event);
  return { NodeID: node, ...facts, Stands: Later === undefined, ...(Later ? { Later } : {}) };
}

function factsOf(
  operation: string,
  stored: StoredRecord,
  event: OperationEvent | undefined,
  untold: RecordedChange | undefined,
): Facts {
  if (event) {
    const { data, time, id, sequence, storedAt } = event;
    return {
      Kind: event.kind,
      At: time,
      Actor: data.actor ?? '',
      ClaimedActor: data.claimedActor ?? '',
      Reason: data.reason ?? '',
      Fingerprint: data.fingerprint ?? '',
      Event: { ID: id, Sequence: sequence, Time: storedAt.toISOString() },
      EventWaits: false,
    };
  }
  const empty = { Actor: '', ClaimedActor: '', Reason: '', Fingerprint: '', EventWaits: false };
  if (untold) {
    const { Kind, At, Actor = '', ClaimedActor = '', Reason = '', Fingerprint = '' } = untold;
    return { Kind, At, Actor, ClaimedActor, Reason, Fingerprint, EventWaits: true };
  }
  const remembered = remember(stored);
  const found = remembered.find(each => each.operation === operation);
  const isLast = remembered.at(-1) === found;
  return { ...empty, Kind: found?.kind ?? '', ...(found && isLast ? lastFacts(found, stored) : {}) };
}

/** Returns what the record says besides of the last operation in it. */
function lastFacts({ kind }: Remembered, stored: StoredRecord): Partial<Facts> {
  if (stored.kind === 'deleted') {
    const { at, actor = '', reason = '' } = stored;
    return kind === 'deleted' ? { ...(at ? { At: at } : {}), Actor: actor, Reason: reason } : {};
  }
  const { Decision, Cordon } = (stored.kind === 'record' && stored.state.Muster) || {};
  const decision = kind === 'cordoned' ? Cordon : /^(approved|rejected)$/.test(kind) ? Decision : undefined;
  if (!decision) return {};
  const { At, Actor, ClaimedActor = '', Reason } = decision;
  return { At, Actor, ClaimedActor, Reason };
}

/** Returns the decision that took the place of this one; undefined when it stands. */
function laterOf(
  operation: string,
  kind: string,
  stored: StoredRecord,
  event: OperationEvent | undefined,
): OperationDecision['Later'] {
  const remembered = remember(stored);
  const at = remembered.findIndex(each => each.operation === operation);
  const next = remembered.slice(at + 1).findLast(each => overtakenBy[kind]?.test(each.kind));
  if (next) {
    const facts = next === remembered.at(-1) ? lastFacts(next, stored) : {};
    const { At, Actor = '', Reason = '' } = facts;
    return { Kind: next.kind, Operation: next.operation, ...(At ? { At } : {}), Actor, Reason };
  }
  // A deleted node is rebuilt as deleted.
  if (kind === 'rebuilt') return undefined;
  const later = (Kind: string, At?: string) => ({ Kind, Actor: '', Reason: '', ...(At ? { At } : {}) });
  if (kind === 'deleted') {
    // A node that registered again is another entry of the roll.
    return stored.kind === 'record' ? later('registered', stored.state.Muster?.RegisteredAt) : undefined;
  }
  // What was decided about a node that was renamed since goes on under its new id.
  if (stored.kind === 'renamed' || stored.kind === 'arriving') return undefined;
  if (stored.kind !== 'record') return later('deleted', stored.kind === 'deleted' ? stored.at : undefined);
  const { Cordon } = stored.state.Muster ?? {};
  if (kind === 'renamed') return undefined;
  if (kind === 'labelled') return event && laterLabels(event, stored.state);
  // The end of a cordon by itself is no operation.
  if (kind === 'cordoned' && !Cordon) return later('uncordoned');
  if (at >= 0 || !event) return undefined;
  if (kind === 'cordoned' || kind === 'uncordoned') {
    if (kind === 'uncordoned' ? !Cordon : Cordon?.At === event.time) return undefined;
    const { At, Actor, Reason } = Cordon ?? {};
    return { Kind: 'cordoned', Actor: Actor ?? '', Reason: Reason ?? '', ...(At ? { At } : {}) };
  }
  // The record remembers too few operations, or an earlier version made the later decision.
  const { Membership, Muster } = stored.state;
  const isSame =
    kind === 'rekeyed'
      ? fingerprintOf(stored.state).Fingerprint === event.data.fingerprint
      : Membership === event.data.current.membership && Muster?.Decision?.At === event.time;
  if (isSame) return undefined;
  const { Action, At, Actor = '', Reason = '' } = Muster?.Decision ?? {};
  const kinds: Readonly<Record<string, string>> = { approve: 'approved', reject: 'rejected' };
  return { Kind: kinds[Action ?? ''] ?? 'updated', ...(At ? { At } : {}), Actor, Reason };
}

/** Returns the decision that changed a label again; undefined while all of them are as the operation set them. */
function laterLabels({ data }: OperationEvent, { Muster }: NodeState): OperationDecision['Later'] {
  const { Labels = {}, LabelOrigins = [] } = Muster ?? {};
  const changed = Object.entries(data.labels ?? {}).find(
    ([key, value]) => (Object.hasOwn(Labels, key) ? Labels[key] : null) !== value,
  );
  if (!changed) return undefined;
  const { At, Actor = '', Reason = '' } = LabelOrigins.find(({ Label }) => Label === changed[0]) ?? {};
  return { Kind: 'labelled', Actor, Reason, ...(At ? { At } : {}) };
}

const remember = (stored: StoredRecord) => rememberedOperations(operationsOf(stored));
