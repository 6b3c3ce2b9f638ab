// Makes the event of a change that is in the store, always with the same content.
import { hash } from 'node:crypto';
import type { CordonChange } from '../../protocol/cordon.ts';
import { type EventData, revisionEventId } from '../../protocol/events.ts';
import type { RecordedChange } from '../../protocol/node-state.ts';

/** The event of a change, without what all events of a requester have in common. */
export interface ChangeEvent {
  kind: RecordedChange['Kind'];
  id: string;
  time: string;
  data: EventData;
  /** Whether an earlier version kept the change. Some of them noted a later revision than that of the change. */
  isKept?: boolean;
}

export function changeEvent(node: string, change: RecordedChange): ChangeEvent {
  const data: EventData = {
    node,
    previous: change.Previous ? { membership: change.Previous } : {},
    current: change.Current ? { membership: change.Current } : {},
  };
  // Most changes have few of these. An object for each of the others would be as much garbage as the whole event.
  if (change.Reason) data.reason = change.Reason;
  if (change.Actor) data.actor = change.Actor;
  if (change.ClaimedActor) data.claimedActor = change.ClaimedActor;
  if (change.Operation) data.operation = change.Operation;
  if (change.JoinCode) data.joinCode = change.JoinCode;
  if (change.Fingerprint) data.fingerprint = change.Fingerprint;
  if (change.PreviousFingerprint) data.previousFingerprint = change.PreviousFingerprint;
  if (change.Cordon) data.cordon = cordonData(change.Cordon);
  if (change.Labels) data.labels = change.Labels;
  if (change.PreviousLabels) data.previousLabels = change.PreviousLabels;
  if (change.NewID) data.newId = change.NewID;
  if (change.FormerID) data.formerId = change.FormerID;
  if (change.Coalesced) data.coalesced = change.Coalesced;
  const event: ChangeEvent = {
    kind: change.Kind,
    id: revisionEventId(node, change.Revision, change.Store),
    time: change.At,
    data,
  };
  if (change.Kept) event.isKept = true;
  return event;
}

/** Returns whether `stored`, an event in the stream, tells of the change that `event` tells of. */
export const isSameEvent = (event: ChangeEvent, stored: ChangeEvent): boolean =>
  digestOf(event) === digestOf(event.isKept ? { ...stored, id: event.id } : stored);

const cordonData = ({ Until, Drain, Deadline }: CordonChange): NonNullable<EventData['cordon']> => ({
  ...(Until ? { until: Until } : {}),
  ...(Drain ? { drain: true } : {}),
  ...(Deadline ? { deadline: Deadline } : {}),
});

/**
 * Returns a short text that is equal for two events only when they say the same. Who sent the event does not count, and
 * neither do members that a later version of muster adds. The operation does not count either: an earlier version, which may
 * announce the change, does not tell it.
 */
export function digestOf({ kind, id, time, data }: ChangeEvent): string {
  const {
    node,
    previous,
    current,
    reason,
    actor,
    claimedActor,
    joinCode,
    coalesced,
    fingerprint,
    previousFingerprint,
    labels,
    previousLabels,
    newId,
    formerId,
    cordon,
  } = data;
  // Each version that announces a cordon tells these three, and one that only keeps the change keeps them.
  const { until, drain, deadline } = cordon ?? {};
  const keys = [joinCode, fingerprint, previousFingerprint, labels, previousLabels, until, drain, deadline];
  keys.push(newId, formerId);
  const said = [kind, id, time, node, previous, current, reason, actor, claimedActor, coalesced, ...keys];
  return hash('sha256', JSON.stringify(said), 'base64');
}
