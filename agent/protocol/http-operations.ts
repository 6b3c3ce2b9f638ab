// Defines the answer of the HTTP API about an operation: what became of what an operator wanted.
import * as v from 'valibot';
import { goTime } from './node-info.ts';
import { operationPattern } from './operation.ts';
import { count, nodeId, struct, text } from './schema.ts';

/**
 * What became of an operation. `stands`: the decision is in force. `overtaken`: it was carried out, and a later decision about
 * a node of it came. `under_way`: the requester is carrying it out. `refused`: this requester refused it. `unknown`: no record
 * and no event that is kept tells of it.
 */
export const operationStates = ['stands', 'overtaken', 'under_way', 'refused', 'unknown'] as const;
export type OperationState = (typeof operationStates)[number];

const operation = () => v.pipe(v.string(), v.regex(operationPattern));

/** A decision that came later. Which members it has depends on what the record still tells. */
const laterSchema = struct({
  Kind: text(64),
  At: v.optional(goTime()),
  Actor: text(256),
  Reason: text(1024),
  Operation: v.optional(operation()),
});

const decisionSchema = struct({
  NodeID: nodeId(),
  /** `approved`, `rejected`, `deleted`, `rekeyed`, `cordoned`, `uncordoned` or `labelled`. */
  Kind: text(64),
  Stands: v.boolean(),
  At: v.optional(goTime()),
  /** The operator whose token was shown, and what the caller says of itself. */
  Actor: text(256),
  ClaimedActor: text(256),
  Reason: text(1024),
  Fingerprint: text(64),
  /** Its event in the event stream: the id, the place, and when it was stored there; absent when there is none. */
  Event: v.optional(struct({ ID: text(512), Sequence: count(), Time: goTime() })),
  /** Whether its event still waits to be stored. */
  EventWaits: v.optional(v.boolean(), false),
  /** The decision that came later, when this one does not stand. */
  Later: v.optional(laterSchema),
});
export type OperationDecision = v.InferOutput<typeof decisionSchema>;

const changeSchema = struct({
  /** As the event of the requester: `operator_created`, `join_code_revoked`, `unbanned` and so on. */
  Kind: text(64),
  /** The name of the operator or the listener, the id of the join code, the pin of the CA, or the fingerprint of the key; empty for the store. */
  Name: text(256),
  Stands: v.boolean(),
  At: v.optional(goTime()),
  Actor: text(256),
  /** The change that came later, when this one does not stand. */
  Later: v.optional(laterSchema),
});
export type OperationChange = v.InferOutput<typeof changeSchema>;

/** `What` is what it is about when that is no node, such as `operator ada`; `NodeID` is empty then. */
const wanted = { NodeID: text(128), Action: text(64), What: v.optional(text(256)) };

export const operationViewSchema = struct({
  ID: operation(),
  /** The time in the id, as the clock said of the machine that made it. */
  MadeAt: goTime(),
  /** The time of this answer, and the requester that gives it. */
  At: goTime(),
  Requester: text(128),
  State: v.picklist(operationStates),
  Decisions: v.pipe(v.array(decisionSchema), v.maxLength(1_000)),
  /** What was changed besides nodes. */
  Changes: v.optional(v.pipe(v.array(changeSchema), v.maxLength(100)), []),
  UnderWay: v.pipe(v.array(struct(wanted)), v.maxLength(1_000)),
  Refusals: v.pipe(v.array(struct({ ...wanted, Reason: text(4096), At: goTime() })), v.maxLength(100)),
  /** The time of the oldest event that is kept, when older ones are not kept any more. */
  EventsSince: v.optional(goTime()),
  /** Why the answer may change; empty when nothing is known that could change it. */
  Doubts: v.pipe(v.array(text(1024)), v.maxLength(16)),
});
export type OperationView = v.InferOutput<typeof operationViewSchema>;

/** The answer about one operation. */
export const operationAnswerSchema = struct({ Operation: operationViewSchema });
