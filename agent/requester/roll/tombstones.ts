// Makes the tombstone of a node that goes, and says what bringing it back writes. The functions are pure.

import { writeJson } from '../../protocol/json.ts';
import { nodeInfoSchema } from '../../protocol/node-info.ts';
import { type NodeState, neverConnected, type RecordedChange } from '../../protocol/node-state.ts';
import { validate } from '../../protocol/schema.ts';
import { maxTombstoneBytes, type Tombstone, tombstoneLimits } from '../../protocol/tombstone.ts';
import { durationText } from '../../protocol/unit-text.ts';
import { MusterError } from '../../system/errors.ts';
import {
  bounded,
  changeBy,
  changeIn,
  type Decision,
  type DecisionRule,
  isRepeated,
  newIdHint,
  notFound,
  nothing,
  readable,
  refuseForRequester,
} from './decisions.ts';
import { heardSince, type SilenceOf } from './shown-rule.ts';
import type { StoredRecord } from './stored-record.ts';

/** What the requester knows of a node besides its record. */
export interface KnownBesides {
  /** The key that is pinned to it. */
  publicKey: string | undefined;
  /** When it was last heard, in milliseconds since 1970. */
  lastSeenAt: number | undefined;
}

/** Returns the tombstone for a node whose record `change` removes; undefined when the record cannot be read. */
export function tombstoneFor(
  stored: StoredRecord,
  change: RecordedChange,
  isForgotten: boolean,
  { publicKey, lastSeenAt }: KnownBesides,
): Tombstone | undefined {
  if (stored.kind !== 'record' || stored.state.Info.NodeType === 'Requester') return undefined;
  const { Info, Membership, Muster = {} } = stored.state;
  const { Decision, Labels, LabelOrigins, Cordon, JoinCode, RegisteredAt, FirstRegisteredAt } = Muster;
  const key = publicKey ?? Muster.PublicKey;
  const tombstone: Tombstone = {
    ...(Membership ? { Membership } : {}),
    ...(Decision ? { Decision } : {}),
    ...(Labels ? { Labels } : {}),
    ...(LabelOrigins ? { LabelOrigins } : {}),
    ...(Cordon ? { Cordon } : {}),
    ...(JoinCode ? { JoinCode } : {}),
    ...(key ? { PublicKey: key } : {}),
    ...(Info.Hostname ? { Hostname: Info.Hostname } : {}),
    ...(FirstRegisteredAt ? { FirstRegisteredAt } : {}),
    ...(RegisteredAt ? { RegisteredAt } : {}),
    ...(lastSeenAt === undefined ? {} : { LastSeenAt: new Date(lastSeenAt).toISOString() }),
    ...(isForgotten ? { Forgotten: true } : {}),
    GoneAt: change.At,
    Actor: change.Actor ?? '',
    ...(change.ClaimedActor ? { ClaimedActor: change.ClaimedActor } : {}),
    Reason: change.Reason ?? '',
  };
  if (isSmall(tombstone)) return tombstone;
  const { Labels: _labels, LabelOrigins: _origins, ...rest } = tombstone;
  const small = { ...rest, LabelsLost: true };
  if (isSmall(small)) return small;
  // The reasons are the only long texts that are left. Each has at most 1024 characters, of up to six bytes in JSON.
  const { Cordon: _cordon, Decision: _decision, ...least } = small;
  return { ...least, Reason: least.Reason.slice(0, 256) };
}

/**
 * Returns what stays of a tombstone when too many nodes are gone: that the node was here before, how it went, and whether it may
 * come back by itself.
 */
export const shortTombstone = ({ Forgotten, GoneAt, Actor, ClaimedActor, Reason }: Tombstone): Tombstone => ({
  ...(Forgotten ? { Forgotten } : {}),
  Shortened: true,
  GoneAt,
  Actor,
  ...(ClaimedActor ? { ClaimedActor } : {}),
  Reason,
});

/** Returns the tombstone of a node that is gone when it is still whole; undefined otherwise. */
export const wholeTombstone = (stored: StoredRecord): Tombstone | undefined =>
  stored.kind === 'deleted' && !stored.tombstone?.Shortened ? stored.tombstone : undefined;

/**
 * Returns the rule that forgets a node, because it was not heard for `silentForMs`. `silenceOf` returns for how long it was not
 * heard now, in milliseconds; undefined when nobody knows. A node that was rejected stays, because it could come back by itself,
 * and so does one that is HEALTHY. It throws as every DecisionRule.
 */
export const forgetNode =
  (silentForMs: number, silenceOf: SilenceOf, isHealthy: (id: string) => boolean): DecisionRule =>
  (stored, name, decision, now) => {
    if (isRepeated(stored, name, decision, 'deleted')) return nothing;
    const state = readable(stored, name);
    refuseForRequester(state, name, 'forgotten');
    if (state.Membership === 'REJECTED') throw rejectedStays(name);
    if (isHealthy(state.Info.NodeID)) throw isAlive(name);
    const silence = silenceOf(state.Info.NodeID);
    if (silence === undefined || silence < silentForMs)
      throw heardSince(name, silence, silentForMs, toRemove(name));
    const { reason } = bounded(decision);
    const change = changeBy(decision, {
      ...changeIn(state, 'deleted', now),
      Current: '',
      Reason: reason || `not heard for ${durationText(silence)}; it may come back by itself`,
    });
    return { write: 'forgotten', change };
  };

/**
 * Returns the rule that brings back a node that was deleted or forgotten, as it was. The node registers again by itself and fills
 * in what it has. `refuseKey` throws when the key may not be the node's any more. It throws as every DecisionRule.
 */
export const undeleteNode =
  (refuseKey: (name: string, key: string) => void): DecisionRule =>
  (stored, name, decision, now) => {
    if (isRepeated(stored, name, decision, 'undeleted')) return nothing;
    if (stored.kind === 'absent') throw notFound(name, 'the nodes that are gone: muster node list --deleted');
    if (stored.kind === 'renamed') throw notFound(name, newIdHint(stored.to));
    if (stored.kind !== 'deleted') throw stillThere(name);
    const { tombstone } = stored;
    if (!tombstone?.Membership) throw nothingKnown(name, tombstone);
    if (tombstone.PublicKey) refuseKey(name, tombstone.PublicKey);
    const { actor } = bounded(decision);
    const write = undeleted(name, tombstone, { actor, now });
    return { write, change: changeBy(decision, { ...changeIn(write, 'undeleted', now), Previous: '' }) };
  };

// The record has no session, so the node registers again by itself, fills in its information, and keeps its membership.
function undeleted(
  id: string,
  tombstone: Tombstone,
  { actor, now }: { actor: string; now: string },
): NodeState {
  const { Membership, Decision, Labels, LabelOrigins, Cordon, JoinCode, PublicKey, Hostname } = tombstone;
  const { FirstRegisteredAt, RegisteredAt } = tombstone;
  return {
    Info: validate(nodeInfoSchema, {
      NodeID: id,
      NodeType: 'Compute',
      ...(Hostname ? { Hostname } : {}),
    }),
    Membership: Membership ?? '',
    Connection: 'DISCONNECTED',
    ConnectionState: neverConnected,
    Muster: {
      ...(Decision ? { Decision } : {}),
      ...(Labels ? { Labels } : {}),
      ...(LabelOrigins ? { LabelOrigins } : {}),
      ...(Cordon ? { Cordon } : {}),
      ...(JoinCode ? { JoinCode } : {}),
      ...(PublicKey ? { PublicKey } : {}),
      ...(FirstRegisteredAt ? { FirstRegisteredAt } : {}),
      // Each record needs a time, so that the store can be compared with its events when an older record comes back.
      RegisteredAt: RegisteredAt ?? now,
      Former: { ...tombstone, UndeletedAt: now, UndeletedBy: actor },
    },
  };
}

/** Returns how many bytes of JSON a tombstone has. */
export const tombstoneBytes = (tombstone: Tombstone): number => Buffer.byteLength(writeJson(tombstone));

const isSmall = (tombstone: Tombstone): boolean => tombstoneBytes(tombstone) <= maxTombstoneBytes;

const rejectedStays = (name: string): MusterError =>
  new MusterError('conflict', `node ${name} is REJECTED: forgotten, it could come back by itself`, {
    hint: `to remove it, and refuse it on: muster node delete ${name}`,
  });

const toRemove = (name: string): string => `to remove it all the same: muster node delete ${name}`;

const isAlive = (name: string): MusterError =>
  new MusterError('conflict', `node ${name} is HEALTHY: it would come back at once`, {
    hint: toRemove(name),
  });

const stillThere = (name: string): MusterError =>
  new MusterError('conflict', `node ${name} is on the roll, so there is nothing to bring back`);

const nothingKnown = (name: string, tombstone: Tombstone | undefined): MusterError => {
  const why = tombstone?.Shortened
    ? `only the last ${tombstoneLimits.number} nodes that went can be brought back, and fewer when they had many labels`
    : 'an earlier version deleted it, or its record could not be read';
  const hint = `${why}; register it again on its machine: muster agent register`;
  return new MusterError('conflict', `nothing is known of node ${name} that could be brought back`, { hint });
};

/** Says who wants a forgetting that the requester does by itself. */
export const ownForgetting = (requester: string, forgetAfterMs: number): Decision => ({
  reason: `not heard for ${durationText(forgetAfterMs)} (requester.forgetAfter); it may come back by itself`,
  actor: requester,
  isExact: true,
});
