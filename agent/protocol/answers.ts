// What a requester answers: Bacalhau's bprotocol/v2 wrapper and texts, plus our `Muster` member (design 6).
import * as v from 'valibot';
import { writeJson } from './json.ts';
import { memberships } from './node-state.ts';
import { count, struct, text } from './schema.ts';

/** What an answer means, for a program; the reason beside it is for people and for Bacalhau. */
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

const short = (limit = 128) => v.optional(v.pipe(v.string(), v.maxLength(limit)));

/** What a requester of ours says beside every answer, refusals included. */
const answererSchema = struct({
  Version: text(64),
  ClusterID: text(128),
  RequesterID: text(128),
  Membership: v.nullish(v.picklist([...memberships, '']), ''),
  Session: short(),
  Code: short(64),
  /** Where this requester listens for heartbeats, and how long it waits for one, in milliseconds. */
  HeartbeatTopic: short(256),
  NodeDisconnectedAfter: v.optional(count()),
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
  /** The request was carried out. A refusal by a rule and a failure both read as false. */
  accepted: boolean;
  reason: string;
  /** Present when a muster requester answered. */
  muster?: AnsweringRequester | undefined;
}

/** Reads any of the answers: `{value: {Accepted, Reason}}`, `{value: {}}` or `{error}`. */
export const answerSchema = v.pipe(
  wireAnswerSchema,
  // Whatever else answers on the subject must not pass for a requester that accepts.
  v.check(({ error, value }) => error !== '' || value !== null, 'neither a value nor an error'),
  v.transform(
    ({ error, value }): Answer => ({
      accepted: !error && (value?.Accepted === undefined || value.Accepted === true),
      reason: error || (value?.Reason ?? ''),
      muster: value?.Muster,
    }),
  ),
);

/** Answers a Register or UpdateNodeInfo: carried out, or refused by a rule. */
export const encodeRegisterResponse = (
  accepted: boolean,
  reason: string,
  muster?: AnsweringRequester,
): string =>
  writeJson({ value: { Accepted: accepted, Reason: reason, ...(muster ? { Muster: muster } : {}) } });

/** Answers an UpdateResources or Leave that was carried out. */
export const encodeEmptyResponse = (muster?: AnsweringRequester): string =>
  writeJson({ value: muster ? { Muster: muster } : {} });

/** Says that a request failed; `error` must not be empty. */
export const encodeErrorResponse = (error: string, muster?: AnsweringRequester): string =>
  writeJson({ error, value: muster ? { Muster: muster } : null });

/** A sentence for people; Bacalhau's own where it has one, as its peers compare them. */
export const reasons = {
  registered: 'node registered',
  reconnected: 'node reconnected',
  rejected: 'node has been rejected',
  updateRejected: 'node registration rejected',
  notCompute: 'node is not a compute node',
  deleted: 'node was deleted',
  handshakeRequired: (id: string) => `node ${id} not connected - handshake required`,
} as const;

/**
 * The refusals after which a node has to register again, in the words of all Bacalhau versions:
 * ≥ 1.6 "handshake required" and "node not found", 1.5 "not yet registered" and "missing node".
 */
export const meansUnknown = (reason: string): boolean =>
  /handshake required|not yet registered|missing node|node not found/.test(reason);

/** The refusals that mean an operator's decision stands against the node. */
export const meansRejected = (reason: string): boolean =>
  reason === reasons.rejected || reason === reasons.updateRejected;
