// The answers of a requester have Bacalhau's bprotocol/v2 form and texts, and muster's own member `Muster`.
import * as v from 'valibot';
import { cordonSchema } from './cordon.ts';
import { writeJson } from './json.ts';
import { maxAuthorities } from './messages.ts';
import { memberships } from './node-state.ts';
import { count, newerTexts, struct, text } from './schema.ts';

/** Codes that tell programs what an answer means. The reason beside the code is for people and for Bacalhau. */
export const answerCodes = [
  'registered',
  'reconnected',
  'known',
  'left',
  'rejected',
  'deleted',
  'handshake_required',
  'not_compute',
  'conflict',
  'full',
  'unavailable',
  'malformed',
] as const;
export type AnswerCode = (typeof answerCodes)[number];

/**
 * The cause of the code `unavailable` when the requester's store has no quorum, so that nothing can be written there. Another
 * broker may lead to a requester that has one.
 */
export const noQuorum = 'no_quorum';

const short = (limit = 128) => v.optional(v.pipe(v.string(), v.maxLength(limit)));

/** The data that a muster requester gives about itself in every answer, also in a refusal. */
const answererSchema = struct({
  Version: text(64),
  ClusterID: text(128),
  RequesterID: text(128),
  Membership: v.nullish(v.picklist([...memberships, '']), ''),
  Session: short(),
  Code: short(64),
  /** What is behind the code `unavailable`, where a node can do something about it: `noQuorum`. */
  Cause: short(64),
  /** The reason that an operator gave for rejecting or deleting the node. */
  Reason: short(1024),
  /** What keeps new work away from the node, so that a scheduler on its machine can follow. */
  Cordon: v.optional(cordonSchema),
  /** The topic of the heartbeats; the next member is the longest silence that the requester allows, in milliseconds. */
  HeartbeatTopic: short(256),
  NodeDisconnectedAfter: v.optional(count()),
  /** The pins of all CAs that the node should trust; only in answers about registration and node information. */
  Authorities: newerTexts(maxAuthorities, 64),
});
export type AnsweringRequester = v.InferOutput<typeof answererSchema>;

const wireAnswerSchema = struct({
  error: text(4096),
  value: v.nullish(
    struct({ Accepted: v.nullish(v.boolean()), Reason: text(4096), Muster: v.optional(answererSchema) }),
    null,
  ),
});

export interface Answer {
  /** Whether the request was carried out. It is false for a refusal and for a failure. */
  accepted: boolean;
  reason: string;
  /** Set when the answer comes from a muster requester. */
  muster?: AnsweringRequester | undefined;
}

/** Returns whether the requester could not do what was asked because its store has no quorum. */
export const hasNoQuorum = ({ accepted, muster }: Answer): boolean =>
  !accepted && muster?.Code === 'unavailable' && muster.Cause === noQuorum;

/** Reads every form of an answer: `{value: {Accepted, Reason}}`, `{value: {}}` and `{error}`. */
export const answerSchema = v.pipe(
  wireAnswerSchema,
  // An answer of another program on the subject must not look like an acceptance.
  v.check(({ error, value }) => error !== '' || value !== null, 'neither a value nor an error'),
  v.transform(
    ({ error, value }): Answer => ({
      accepted: !error && (value?.Accepted === undefined || value.Accepted === true),
      reason: error || (value?.Reason ?? ''),
      muster: value?.Muster,
    }),
  ),
);

/** Writes the answer to a RegisterNode or UpdateNodeInfo that was carried out or refused by a rule. */
export const encodeRegisterResponse = (
  accepted: boolean,
  reason: string,
  muster?: AnsweringRequester,
): string =>
  writeJson({ value: { Accepted: accepted, Reason: reason, ...(muster ? { Muster: muster } : {}) } });

/** Writes the answer to an UpdateResources or Leave that was carried out. */
export const encodeEmptyResponse = (muster?: AnsweringRequester): string =>
  writeJson({ value: muster ? { Muster: muster } : {} });

/** Writes the answer to a request that failed. `error` must not be empty. */
export const encodeErrorResponse = (error: string, muster?: AnsweringRequester): string =>
  writeJson({ error, value: muster ? { Muster: muster } : null });

/** Reasons for people. If Bacalhau has a text, it is used here, because Bacalhau's nodes compare the texts. */
export const reasons = {
  registered: 'node registered',
  reconnected: 'node reconnected',
  rejected: 'node has been rejected',
  updateRejected: 'node registration rejected',
  notCompute: 'node is not a compute node',
  deleted: 'node was deleted',
  overtaken: 'the same agent has registered again since it sent this',
  handshakeRequired: (id: string) => `node ${id} not connected - handshake required`,
} as const;

/**
 * Returns whether a refusal means that the node has to register again. Bacalhau from 1.6 on says "handshake required" or
 * "node not found". Bacalhau 1.4 and 1.5 have "not yet registered" and "missing node" in their sources, but say "nodeInfo
 * not found" where it counts, inside the text of an error.
 */
export const meansUnknown = (reason: string): boolean =>
  /handshake required|not yet registered|missing node|node(Info)? not found/.test(reason);

/** Returns whether a refusal means that an operator has rejected the node. */
export const meansRejected = (reason: string): boolean =>
  reason === reasons.rejected || reason === reasons.updateRejected;
