// Membership and health events for other systems: CloudEvents 1.0 in JSON (design 7).
import type { Health, Membership } from './node-state.ts';

/** Kinds that follow from a write to the store; their id is `<node>:<revision>`. */
export const membershipKinds = ['registered', 'approved', 'rejected', 'deleted', 'updated'] as const;
/** Kinds that follow from what was heard, or not; their id is `<node>:<requester instance>:<number>`. */
export const healthKinds = ['healthy', 'unhealthy', 'unknown', 'left'] as const;
export type MembershipKind = (typeof membershipKinds)[number];
export type HealthKind = (typeof healthKinds)[number];
export type EventKind = MembershipKind | HealthKind | 'conflict';

/** What the requester knows that made it say so. */
export interface Evidence {
  /** Wall clock, RFC 3339; absent when the node was never heard. */
  lastSeen?: string;
  /** Milliseconds since. */
  silence?: number;
  /** The rule that applied, with its setting. */
  rule: string;
}

export interface EventData {
  node: string;
  previous: { membership?: Membership; health?: Health };
  current: { membership?: Membership; health?: Health };
  reason?: string;
  /** Who did it: an operator, or the node or requester itself. */
  actor?: string;
  evidence?: Evidence;
  /** So many older changes of the node have no event of their own; `previous` is from before them. */
  coalesced?: number;
}

export interface CloudEvent {
  specversion: '1.0';
  id: string;
  /** The requester: `/muster/<cluster>/<requester>`. */
  source: string;
  /** `org.muster.node.<kind>`. */
  type: string;
  /** The node. */
  subject: string;
  time: string;
  datacontenttype: 'application/json';
  data: EventData;
}

export const eventSource = (clusterId: string, requesterId: string): string =>
  `/muster/${clusterId}/${requesterId}`;

/** The id of an event that a store revision made. */
export const revisionEventId = (nodeId: string, revision: number): string => `${nodeId}:${revision}`;

/** The store revision that an event id names; undefined for a health event's id. */
export function revisionOfEventId(id: string): number | undefined {
  const match = /^[A-Za-z0-9_-]{1,128}:(\d{1,16})$/.exec(id);
  return match ? Number(match[1]) : undefined;
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

/** What the requester tells of itself: `degraded` while it does not trust its own silence, then `recovered`. */
export function requesterEvent(
  kind: 'degraded' | 'recovered',
  id: string,
  source: string,
  time: string,
  requester: string,
  reason: string | undefined,
): Omit<CloudEvent, 'data'> & { data: { requester: string; reason?: string } } {
  return {
    specversion: '1.0',
    id,
    source,
    type: `org.muster.requester.${kind}`,
    subject: requester,
    time,
    datacontenttype: 'application/json',
    data: { requester, ...(reason ? { reason } : {}) },
  };
}
