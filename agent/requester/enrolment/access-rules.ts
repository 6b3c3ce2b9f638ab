// Decides whether a key is let in as a node, and if not, why. It is a pure function of what is known of the key and the id.
import type { ConnectionIntent } from '../../protocol/connection-name.ts';
import { fingerprint } from '../../protocol/nkey.ts';
import type { Refusal, RefusalCode } from '../../protocol/refusal.ts';
import { looksLikeFlag } from '../../protocol/schema.ts';

/** What a join code is worth now. `id` is the code's. */
export type CodeCheck =
  | { kind: 'valid'; id: string }
  | { kind: 'unknown' }
  | { kind: 'spent' | 'expired' | 'revoked' | 'network'; id: string };

export interface AccessFacts {
  id: string;
  key: string;
  intent: ConnectionIntent | undefined;
  /** The id of the requester, which no node may take. */
  requesterId: string;
  /** The key that is pinned to the id; undefined when none is. */
  pinnedKey: string | undefined;
  /** Time when the key was replaced by the one that is pinned (RFC 3339); undefined when the node never had it. */
  replacedAt?: string | undefined;
  /** The node that the key is pinned to; undefined when there is none. */
  pinnedNode: string | undefined;
  /** The node that the key belongs to, when an operator gave it another id than this one; undefined when nobody did. */
  renamed?: RenamedNode | undefined;
  /** The record that the roll has of the id, the key that it names, and the former ids of its node; undefined when it has none. */
  record: { key?: string | undefined; formerIds?: readonly string[] | undefined } | undefined;
  /** Who banned the key, and when (RFC 3339); undefined when nobody did. */
  ban: { actor: string; at: string; reason?: string | undefined } | undefined;
  /** The key of a node of this id that was deleted, and who deleted it; undefined when there was none. */
  deleted: { key: string; actor: string; at: string; reason?: string | undefined } | undefined;
  /** The key of a node of this id that gave way to newcomers; undefined when there was none. */
  expiredKey?: string | undefined;
  /** What the join code is worth that came with the key. */
  code: CodeCheck;
}

/** What a node is called now that an operator renamed, and its key. */
export interface RenamedNode {
  id: string;
  key: string;
  /** Time when that key replaced the one that is shown (RFC 3339); undefined when it is the same. */
  replacedAt?: string;
}

export type AccessDecision =
  /** The key is pinned to the id. */
  | { kind: 'known' }
  /** The key may be pinned to the id: with a code, or because its node gave way, or was deleted and is told to come back. */
  | { kind: 'pin'; code: string | undefined }
  | { kind: 'refuse'; refusal: Refusal }
  /** Nobody knows the key. It gets no answer at all. */
  | { kind: 'stranger' };

export function decideAccess(facts: AccessFacts): AccessDecision {
  const { id, key, intent, requesterId, pinnedKey, pinnedNode, record, ban, deleted, code } = facts;
  if (ban) {
    const reason = `this key was banned by ${ban.actor} at ${ban.at}`;
    return withReason(ban.reason, refuse(key, 'banned', reason, hints.banned(key)));
  }
  if (facts.renamed) return refuseRenamed(facts, facts.renamed);
  if (pinnedNode === id) return { kind: 'known' };
  if (pinnedNode !== undefined) {
    if (record?.key === key && record.formerIds?.includes(pinnedNode)) return refuseUntilPinned(key);
    const reason = `this key belongs to node ${pinnedNode}, not to ${id}`;
    return refuse(key, 'conflict', reason, hints.otherNode(pinnedNode), { id: pinnedNode, key });
  }
  if (pinnedKey !== undefined) {
    if (facts.replacedAt !== undefined) return refuseReplaced(facts, pinnedKey, facts.replacedAt);
    const reason = `node ${id} has another key, ${fingerprint(pinnedKey)}`;
    return refuse(key, 'conflict', reason, hints.otherKey(id, key), { id, key: pinnedKey });
  }
  if (id === requesterId) return refuse(key, 'conflict', `${id} is the id of a requester`, hints.otherId);
  const isAgent = intent !== 'check' && intent !== 'work';
  if (record) {
    // The pin was removed for an earlier deletion, while the node registered again. The key follower pins this key too.
    if (record.key === key && isAgent) return { kind: 'pin', code: undefined };
    const reason = `node ${id} is on the roll, without a key`;
    return refuse(key, 'conflict', reason, hints.otherKey(id, key), { id, key: undefined });
  }
  if (deleted?.key === key && code.kind !== 'valid') {
    if (intent === 'register') return { kind: 'pin', code: undefined };
    const reason = `node ${id} was deleted by ${deleted.actor} at ${deleted.at}`;
    return withReason(deleted.reason, refuse(key, 'deleted', reason, hints.deleted));
  }
  // Such a node does nothing wrong, and nobody decided about it. The use of the code with which it first came still counts.
  if (facts.expiredKey === key && code.kind !== 'valid' && isAgent) return { kind: 'pin', code: undefined };
  return decideByCode(facts);
}

function refuseRenamed({ id, key, ...facts }: AccessFacts, renamed: RenamedNode): AccessDecision {
  const { id: newId, replacedAt } = renamed;
  if (replacedAt !== undefined) return refuseReplaced({ ...facts, id: newId, key }, renamed.key, replacedAt);
  return { kind: 'refuse', refusal: renamedRefusal(id, key, newId) };
}

/** Returns what a key is told that comes under a former id of its node. */
export const renamedRefusal = (id: string, key: string, newId: string): Refusal =>
  refusalOf(key, 'renamed', `an operator renamed node ${id} to ${newId}`, hints.renamed(newId), {
    id: newId,
    key,
  });

// The agent has heard from another requester that it was renamed. Here the pin follows in a moment.
const refuseUntilPinned = (key: string): AccessDecision =>
  refuse(key, 'unavailable', 'the node has another id since a moment ago', 'wait: it is tried again');

function refuseReplaced({ id, key }: AccessFacts, pinnedKey: string, replacedAt: string): AccessDecision {
  const reason = `node ${id} has another key, ${fingerprint(pinnedKey)}, which replaced this one at ${replacedAt}`;
  const decision = refuse(key, 'conflict', reason, hints.replaced(id, key), { id, key: pinnedKey });
  return { ...decision, refusal: { ...decision.refusal, replacedAt } };
}

function decideByCode({ id, key, intent, deleted, code }: AccessFacts): AccessDecision {
  switch (code.kind) {
    case 'valid':
      // Only an agent may bring in a node.
      if (intent === 'check' || intent === 'work') return { kind: 'stranger' };
      // A node that had this id before the rule may come back.
      if (looksLikeFlag(id) && !deleted)
        return refuse(
          key,
          'conflict',
          `the id ${id} begins with a dash, so a command line takes it for a flag`,
          hints.otherId,
        );
      return { kind: 'pin', code: code.id };
    case 'unknown':
      return { kind: 'stranger' };
    default:
      return refuse(
        key,
        `code_${code.kind}`,
        `the join code ${code.id} ${codeFaults[code.kind]}`,
        hints.newCode,
      );
  }
}

/** What is wrong with a code that lets nobody in, as the end of a sentence. */
const codeFaults = {
  spent: 'was used as often as it may be',
  expired: 'has expired',
  revoked: 'was revoked',
  network: 'is not for the network of this machine',
} as const;

const hints = {
  newCode: 'get a new code on the requester: muster join-code create',
  banned: (key: string) => `lift the ban on the requester: muster node unban ${fingerprint(key)}`,
  renamed: (id: string) =>
    `an agent takes its new id by itself, unless node.id is set: then remove node.id, or set it to ${id}, and start it again`,
  otherNode: (id: string) => `set node.id to ${id}, or give this machine a data folder of its own`,
  otherKey: (id: string, key: string) =>
    `if this machine was reinstalled, give it the record on the requester: muster node rekey ${id} --fingerprint ${fingerprint(key)}; if not, give it another id by node.id`,
  replaced: (id: string, key: string) =>
    `if this is a copy of node ${id}, make it a node of its own: muster agent reset-identity; if it is the node, restore its newest identity.nk, or give it the record on the requester: muster node rekey ${id} --fingerprint ${fingerprint(key)}`,
  otherId: 'give this node another id, by node.id or MUSTER_NODE_ID, and start it again',
  deleted: 'to bring it back, register it again on that machine: muster agent register',
} as const;

/** Returns the refusal of a key. `record` is the node that it came into conflict with, and that node's key. */
export function refusalOf(
  key: string,
  code: RefusalCode,
  reason: string,
  hint: string,
  record?: { id: string; key: string | undefined },
): Refusal {
  return {
    code,
    reason,
    hint,
    fingerprint: fingerprint(key),
    ...(record ? { record: { id: record.id, fingerprint: record.key ? fingerprint(record.key) : '' } } : {}),
  };
}

type RefuseDecision = Extract<AccessDecision, { kind: 'refuse' }>;

const refuse = (...args: Parameters<typeof refusalOf>): RefuseDecision => ({
  kind: 'refuse',
  refusal: refusalOf(...args),
});

const withReason = (operatorReason: string | undefined, decision: RefuseDecision): RefuseDecision =>
  operatorReason ? { ...decision, refusal: { ...decision.refusal, operatorReason } } : decision;
