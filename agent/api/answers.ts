// Checks the answers of the API. Any program can listen on its port, so its answers are checked like any other input.
import * as v from 'valibot';
import {
  decisionAnswerSchema,
  goneNodesSchema,
  lostNodesSchema,
  musterViewSchema,
  nodeListSchema,
  oneNodeSchema,
  requesterStateSchema,
} from '../protocol/http.ts';
import { authoritiesSchema } from '../protocol/http-authorities.ts';
import {
  createdJoinCodeSchema,
  joinCodeListSchema,
  joinCodeViewSchema,
} from '../protocol/http-join-codes.ts';
import { createdListenerSchema, listenerListSchema } from '../protocol/http-listeners.ts';
import { nodeStreamHeadSchema } from '../protocol/http-node-stream.ts';
import { operationAnswerSchema } from '../protocol/http-operations.ts';
import {
  bansSchema,
  newTokenSchema,
  operatorListSchema,
  proofSchema,
  tokenFileSchema,
} from '../protocol/http-operators.ts';
import { pageCodeSchema } from '../protocol/http-page.ts';
import { orchestratorProblemSchema, problemSchema } from '../protocol/http-problems.ts';
import { labelChange } from '../protocol/label-schema.ts';
import { goTime } from '../protocol/node-info.ts';
import { listedStateSchema } from '../protocol/node-state.ts';
import { count, nodeId, struct, validate } from '../protocol/schema.ts';

export type ShownNode = ReturnType<typeof readNode>;

const optionalMusterView = v.optional(musterViewSchema);

/** Reads a node as the API shows it. @throws ProtocolError */
export function readNode(value: unknown) {
  // What the API shows of our member is less strict than what the store has: the labels of a join code have no time, for example.
  const { Muster: shown, ...rest } = (value ?? {}) as { Muster?: unknown };
  const state = validate(listedStateSchema, rest);
  const Muster = validate(optionalMusterView, shown);
  return { ...state, ...(Muster ? { Muster } : {}) };
}

/** Reads the list of nodes. @throws ProtocolError */
export const readNodes = (value: unknown): ShownNode[] => validate(nodeListSchema, value).Nodes.map(readNode);
/** Reads the first line of a stream of nodes. @throws ProtocolError */
export const readNodeStreamHead = (value: unknown) => validate(nodeStreamHeadSchema, value);
/** Reads the answer with one node. @throws ProtocolError */
export const readOneNode = (value: unknown): ShownNode => readNode(validate(oneNodeSchema, value).Node);
/** Reads what became of an operation. @throws ProtocolError */
export const readOperationView = (value: unknown) => validate(operationAnswerSchema, value).Operation;
/** Reads the state of the requester itself. @throws ProtocolError */
export const readRequesterState = (value: unknown) => validate(requesterStateSchema, value);
/** Reads the list of the nodes that are gone. @throws ProtocolError */
export const readGoneNodes = (value: unknown) => validate(goneNodesSchema, value).Nodes;
/** Reads the list of the nodes whose records the store lost. @throws ProtocolError */
export const readLostNodes = (value: unknown) => validate(lostNodesSchema, value).Nodes;
/** Reads the list of the join codes. @throws ProtocolError */
export const readJoinCodes = (value: unknown) => validate(joinCodeListSchema, value).JoinCodes;
/** Reads the answer with a new join code. @throws ProtocolError */
export const readCreatedJoinCode = (value: unknown) => validate(createdJoinCodeSchema, value);
/** Reads the answer with a join code that was revoked. @throws ProtocolError */
export const readJoinCode = (value: unknown) =>
  validate(struct({ JoinCode: joinCodeViewSchema }), value).JoinCode;
/** Reads the list of the listeners. @throws ProtocolError */
export const readListeners = (value: unknown) => validate(listenerListSchema, value).Listeners;
/** Reads the answer with a new listener. @throws ProtocolError */
export const readCreatedListener = (value: unknown) => validate(createdListenerSchema, value);
/** Reads the list of the keys that are refused for ever. @throws ProtocolError */
export const readBans = (value: unknown) => validate(bansSchema, value).Bans;
/** Reads the CAs of the cluster. @throws ProtocolError */
export const readAuthorities = (value: unknown) => validate(authoritiesSchema, value);
/** Reads the answer to a decision. @throws ProtocolError */
export const readDecisionAnswer = (value: unknown) => validate(decisionAnswerSchema, value);
/** Reads the list of the operators. @throws ProtocolError */
export const readOperators = (value: unknown) => validate(operatorListSchema, value).Operators;
/** Reads the answer with a new token. @throws ProtocolError */
export const readNewToken = (value: unknown) => validate(newTokenSchema, value).Token;
/** Reads the answer with a code that signs a browser in. @throws ProtocolError */
export const readPageCode = (value: unknown) => validate(pageCodeSchema, value);
/** Reads where the requester keeps the token of its machine. @throws ProtocolError */
export const readTokenFile = (value: unknown) => validate(tokenFileSchema, value);
/** Reads the proof that the requester knows a token. @throws ProtocolError */
export const readProof = (value: unknown) => validate(proofSchema, value);
/** Reads the body of a refusal of an orchestrator of Bacalhau. @throws ProtocolError */
export const readOrchestratorProblem = (value: unknown) => validate(orchestratorProblemSchema, value);
/** Reads the body of a refusal. @throws ProtocolError */
export const readProblem = (value: unknown) => validate(problemSchema, value);

const optionalText = (maxLength = 256) => v.optional(v.pipe(v.string(), v.maxLength(maxLength)));
const sideSchema = v.optional(struct({ membership: optionalText(), health: optionalText() }), {});
const eventSchema = struct({
  specversion: v.literal('1.0'),
  id: v.pipe(v.string(), v.maxLength(512)),
  source: v.pipe(v.string(), v.maxLength(512)),
  type: v.pipe(v.string(), v.maxLength(256)),
  subject: nodeId(),
  time: goTime(),
  datacontenttype: optionalText(),
  /** Its place in the stream; absent from a requester of an earlier version. */
  cursor: optionalText(64),
  data: struct({
    node: nodeId(),
    previous: sideSchema,
    current: sideSchema,
    reason: optionalText(1024),
    actor: optionalText(),
    claimedActor: optionalText(),
    operation: optionalText(64),
    joinCode: optionalText(64),
    fingerprint: optionalText(64),
    previousFingerprint: optionalText(64),
    cordon: v.optional(
      struct({
        until: v.optional(goTime()),
        drain: v.optional(v.boolean()),
        deadline: v.optional(goTime()),
      }),
    ),
    labels: v.optional(labelChange()),
    previousLabels: v.optional(labelChange()),
    newId: v.optional(nodeId()),
    formerId: v.optional(nodeId()),
    condition: v.optional(struct({ type: optionalText(64), since: v.optional(goTime()) })),
    conditions: v.optional(v.pipe(v.array(v.pipe(v.string(), v.maxLength(64))), v.maxLength(64))),
    evidence: v.optional(
      struct({
        lastSeen: v.optional(goTime()),
        silence: v.optional(v.pipe(v.number(), v.finite(), v.minValue(0))),
        rule: optionalText(1024),
        agents: v.optional(
          v.pipe(
            v.array(
              struct({
                host: optionalText(),
                instance: optionalText(),
                address: optionalText(),
                fingerprint: optionalText(64),
              }),
            ),
            v.maxLength(2),
          ),
        ),
      }),
    ),
    coalesced: v.optional(count()),
  }),
});
export type ShownEvent = v.InferOutput<typeof eventSchema>;
/** Reads a membership event. @throws ProtocolError */
export const readEvent = (value: unknown): ShownEvent => validate(eventSchema, value);
