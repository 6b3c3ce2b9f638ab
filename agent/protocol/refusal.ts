// Why a key was refused: what the requester answers to a node that asks on `muster.why.<key>`.
import * as v from 'valibot';
import { parseJson } from './json.ts';
import { text, validate } from './schema.ts';

export const refusalCodes = [
  /** Another key, or another node, has the id or the key. */
  'conflict',
  /** Another running process shows the same key. */
  'clone',
  'banned',
  'deleted',
  'code_spent',
  'code_expired',
  'code_revoked',
  'code_network',
  /** An operator gave the node of this key another id, which the record names. An earlier version does not know it. */
  'renamed',
  /** The requester could not store the key, or another connection with the key is being decided about. */
  'unavailable',
  /** The node's own finding, which no requester sends: the broker does not even permit the question. */
  'not_permitted',
] as const;
export type RefusalCode = (typeof refusalCodes)[number];

export const refusalSchema = v.object({
  code: v.fallback(v.picklist(refusalCodes), 'unavailable'),
  /** What happened, as a sentence without a full stop. */
  reason: text(1024),
  /** What to do about it. */
  hint: text(1024),
  /** The fingerprint of the key that was refused. */
  fingerprint: text(64),
  /** The reason that an operator gave for deleting or banning the node; absent when none was given. */
  operatorReason: v.optional(text(1024)),
  /** The time when the key of the node was replaced by another (RFC 3339); absent for a key that the node never had. */
  replacedAt: v.optional(text(64)),
  /** The node that the key came into conflict with, or that it is now, and the fingerprint that its record has. */
  record: v.optional(v.object({ id: text(128), fingerprint: text(64) })),
});
export type Refusal = v.InferOutput<typeof refusalSchema>;

/** Reads the answer to a key that asks why it was refused; undefined when it was not. Throws ProtocolError. */
export function readRefusal(data: Uint8Array): Refusal | undefined {
  const answer = parseJson(data);
  const isEmpty = typeof answer === 'object' && answer !== null && Object.keys(answer).length === 0;
  return isEmpty ? undefined : validate(refusalSchema, answer);
}
