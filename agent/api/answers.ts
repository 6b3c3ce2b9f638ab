// What the API may answer, checked: whatever listens on its port is input like any other.
import * as v from 'valibot';
import { usageSchema } from '../protocol/messages.ts';
import { goTime } from '../protocol/node-info.ts';
import { healths, nodeStateSchema } from '../protocol/node-state.ts';
import { count, nodeId, struct, text, validate } from '../protocol/schema.ts';

const short = (most = 256) => v.optional(v.pipe(v.string(), v.maxLength(most)));
const time = () => v.optional(goTime());

/** What a muster requester adds to a node; a Bacalhau orchestrator adds nothing. */
const musterSchema = v.optional(
  struct({
    Health: v.picklist(healths),
    /** Milliseconds since the node was heard. */
    Silence: v.optional(v.pipe(v.number(), v.finite(), v.minValue(0))),
    RegisteredAt: time(),
    Version: short(),
    Decision: v.optional(
      struct({ Action: text(64), Reason: text(1024), Actor: text(256), At: v.optional(goTime()) }),
    ),
    Usage: v.optional(usageSchema),
    ResourcesAt: time(),
  }),
);

export type ShownNode = ReturnType<typeof readNode>;

/** A node as the API shows it. @throws ProtocolError */
export function readNode(value: unknown) {
  const { Muster: _, ...state } = validate(nodeStateSchema, value);
  const Muster = validate(musterSchema, (value as { Muster?: unknown }).Muster);
  return { ...state, ...(Muster ? { Muster } : {}) };
}

/** HEALTHY, UNHEALTHY or UNKNOWN; a Bacalhau orchestrator only knows CONNECTED and DISCONNECTED. */
export const statusOf = (node: ShownNode): string => node.Muster?.Health ?? node.Connection;

const listSchema = struct({ Nodes: v.nullish(v.array(v.unknown()), []) });
const oneSchema = struct({ Node: v.unknown() });

/** @throws ProtocolError */
export const readNodes = (value: unknown): ShownNode[] => validate(listSchema, value).Nodes.map(readNode);
/** @throws ProtocolError */
export const readOneNode = (value: unknown): ShownNode => readNode(validate(oneSchema, value).Node);

const statusSchema = struct({ state: text(64), reason: text(1024) });
/** How the requester itself is doing. @throws ProtocolError */
export const readStatus = (value: unknown) => validate(statusSchema, value);

const changedSchema = struct({ Success: v.boolean(), Error: text(1024) });
/** @throws ProtocolError */
export const readChanged = (value: unknown) => validate(changedSchema, value);

const problemSchema = struct({
  Message: v.pipe(v.string(), v.minLength(1), v.maxLength(4096)),
  Code: text(128),
  Hint: text(4096),
});
/** The envelope of an error. @throws ProtocolError */
export const readProblem = (value: unknown) => validate(problemSchema, value);

const sideSchema = v.optional(struct({ membership: short(), health: short() }), {});
const eventSchema = struct({
  specversion: v.literal('1.0'),
  id: v.pipe(v.string(), v.maxLength(512)),
  source: v.pipe(v.string(), v.maxLength(512)),
  type: v.pipe(v.string(), v.maxLength(256)),
  subject: nodeId(),
  time: goTime(),
  datacontenttype: short(),
  data: struct({
    node: nodeId(),
    previous: sideSchema,
    current: sideSchema,
    reason: short(1024),
    actor: short(),
    evidence: v.optional(
      struct({
        lastSeen: time(),
        silence: v.optional(v.pipe(v.number(), v.finite(), v.minValue(0))),
        rule: v.optional(v.pipe(v.string(), v.maxLength(1024))),
      }),
    ),
    coalesced: v.optional(count()),
  }),
});
export type ShownEvent = v.InferOutput<typeof eventSchema>;
/** A membership event. @throws ProtocolError */
export const readEvent = (value: unknown): ShownEvent => validate(eventSchema, value);
