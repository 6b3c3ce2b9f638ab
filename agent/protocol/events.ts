// Defines the membership and health events for other systems, as CloudEvents 1.0 in JSON.
import type { LabelChange } from './label.ts';
import { type Health, type Membership, recordedChangeKinds } from './node-state.ts';

/** Kinds of events that follow from a write to the store. Their id is `<node>:<incarnation>:<revision>`. */
export const membershipKinds = recordedChangeKinds;
/** Kinds of events that follow from heartbeats or silence. Their id is that of `healthEventId()`. */
export const healthKinds = ['healthy', 'unhealthy', 'unknown', 'left'] as const;
/** Kinds of events about a condition of a node that came up or is over. Their id is as that of an event about health. */
export const conditionKinds = ['condition-raised', 'condition-cleared'] as const;
export type MembershipKind = (typeof membershipKinds)[number];
export type HealthKind = (typeof healthKinds)[number];
export type ConditionKind = (typeof conditionKinds)[number];
export type EventKind = MembershipKind | HealthKind | ConditionKind | 'conflict';

/** The facts from which a health event follows. */
export interface Evidence {
  /** Wall time of the last heartbeat in RFC 3339; absent when there was none. */
  lastSeen?: string;
  /** Time since the last heartbeat, in milliseconds. */
  silence?: number;
  /** The rule that applied, with the value of its setting. */
  rule: string;
  /** The two agents of a conflict. */
  agents?: ConflictingAgent[];
}

/** One of two agents that use the same node id, as far as their messages and their keys tell. */
export interface ConflictingAgent {
  /** The host name that it sent. */
  host?: string | undefined;
  /** The random value of its process. */
  instance?: string | undefined;
  /** The address from which it connects, and the fingerprint of its key; absent where the broker checks no keys. */
  address?: string | undefined;
  fingerprint?: string | undefined;
  /** `work` for a program that wants to do the node's work; absent for an agent. */
  use?: 'work' | undefined;
}

export interface EventData {
  node: string;
  previous: { membership?: Membership; health?: Health };
  current: { membership?: Membership; health?: Health };
  reason?: string;
  /** The operator, the node or the requester that made the change. */
  actor?: string;
  /** What the caller of the operator says of itself, such as `ada@desk`. Nothing proves it. */
  claimedActor?: string;
  /** The id of the operation by which the operator made the change. */
  operation?: string;
  /** The id of the join code with which the node came in. */
  joinCode?: string;
  /** The fingerprint of the node's key after the change; absent when the broker checks no keys. */
  fingerprint?: string;
  /** The fingerprint of the key that the node had before; absent when the key did not change. */
  previousFingerprint?: string;
  /**
   * What a `cordoned` node has before it: when the cordon ends by itself, whether its work is awaited to end, and until when
   * that should be over. Each is absent when it does not hold.
   */
  cordon?: { until?: string; drain?: true; deadline?: string };
  /** The labels that a `labelled` node got from an operator, null for those removed, and the values that they had before. */
  labels?: LabelChange;
  previousLabels?: LabelChange;
  /** The other id of a node that was `renamed`: the new one in the event of the former id, and the other way round. */
  newId?: string;
  formerId?: string;
  /** The condition that came up or is over: its type, and since when the node had it, by the node's clock. */
  condition?: { type: string; since?: string };
  /** With a condition: the types of all conditions of the node that have been told and not cleared, after this event. */
  conditions?: string[];
  evidence?: Evidence;
  /**
   * Number of older changes that have no event of their own: of the node, and then `previous` is the state before the first
   * of them, or of the condition.
   */
  coalesced?: number;
}

export interface CloudEvent {
  specversion: '1.0';
  id: string;
  /** The requester's name, in the form `/muster/<cluster>/<requester>`. */
  source: string;
  /** The kind, as `org.muster.node.<kind>`. */
  type: string;
  /** The id of the node. */
  subject: string;
  time: string;
  datacontenttype: 'application/json';
  data: EventData;
}

export const eventSource = (clusterId: string, requesterId: string): string =>
  `/muster/${clusterId}/${requesterId}`;

/**
 * Returns the id of an event that follows from a revision of the store. The incarnation tells one life of the store from
 * the next, in which the revisions begin anew. Earlier versions of muster named none.
 */
export const revisionEventId = (nodeId: string, revision: number, incarnation: string | undefined): string =>
  incarnation ? `${nodeId}:${incarnation}:${revision}` : `${nodeId}:${revision}`;

/**
 * Returns the id of an event about a node's health. It names the sequence of the node's event before it in the event stream,
 * so it is the same whichever requester announces the change. `createdMs` is the time of the stream's creation, because the
 * sequences begin anew when the stream is lost.
 */
export const healthEventId = (
  nodeId: string,
  incarnation: string,
  createdMs: number,
  sequence: number,
): string => `${nodeId}:${incarnation}:${createdMs.toString(36)}-${sequence}`;

/** Returns the revision in an event id, and the incarnation of the store; undefined for the id of a health event. */
export function parseRevisionEventId(
  id: string,
): { node: string; incarnation: string | undefined; revision: number } | undefined {
  // The id of a health event has a hyphen after the last colon, and that of a conflict has a UUID in the middle.
  const match = /^([A-Za-z0-9_-]{1,128})(?::([a-z0-9]{1,16}))?:(\d{1,16})$/.exec(id);
  return match?.[1] === undefined
    ? undefined
    : { node: match[1], incarnation: match[2], revision: Number(match[3]) };
}

export function cloudEvent(
  kind: EventKind,
  id: string,
  source: string,
  time: string,
  data: EventData,
): CloudEvent {
  return {
    specversion: '1.0',
    id,
    source,
    type: `org.muster.node.${kind}`,
    subject: data.node,
    time,
    datacontenttype: 'application/json',
    data,
  };
}

/**
 * The kinds of events of the requester. `degraded` means that it cannot tell whether silent nodes are alive, and `recovered`
 * that it can again. The others are what operators do besides decisions about nodes.
 */
export type RequesterEventKind =
  | 'degraded'
  | 'recovered'
  | 'operator_created'
  | 'operator_revoked'
  | 'listener_created'
  | 'listener_revoked'
  | 'join_code_created'
  | 'join_code_revoked'
  | 'ca_rotated'
  | 'ca_forgotten'
  | 'certificate_renewed'
  | 'banned'
  | 'unbanned';

export interface RequesterEventData {
  requester: string;
  reason?: string;
  /** The operator whose token was shown. */
  actor?: string;
  /** What the caller says of itself. Nothing proves it. */
  claimedActor?: string;
  /** The id of the operation by which the operator did it. */
  operation?: string;
  /** What the event is about, such as the name of an operator or the id of a code. */
  [more: string]: string | number | boolean | undefined;
}

/** Returns an event of the requester. */
export function requesterEvent(
  kind: RequesterEventKind,
  id: string,
  source: string,
  time: string,
  data: RequesterEventData,
): Omit<CloudEvent, 'data'> & { data: RequesterEventData } {
  return {
    specversion: '1.0',
    id,
    source,
    type: `org.muster.requester.${kind}`,
    subject: data.requester,
    time,
    datacontenttype: 'application/json',
    data,
  };
}
