// Defines the bodies of the requester's HTTP API about nodes and its own state. They are Bacalhau's, with a member `Muster`
// added.
import * as v from 'valibot';
import { cordonSchema, maxCordonSeconds } from './cordon.ts';
import type { LabelChange } from './label.ts';
import { labelChange, labelOriginMembers } from './label-schema.ts';
import { usageSchema } from './messages.ts';
import { goTime } from './node-info.ts';
import { healths, type Membership, memberships } from './node-state.ts';
import { formerIdsSchema } from './rename.ts';
import { count, nodeId, strictTextMap, struct, text } from './schema.ts';
import { goneNodeSchema, shownTombstoneSchema } from './tombstone.ts';

/** Returns a schema for a text of a body that a client sends. */
export const bounded = (maxLength: number) =>
  v.pipe(v.string(), v.maxLength(maxLength, `longer than ${maxLength} characters`));

/** Returns a schema for a time in seconds; absent or 0 when none is meant. */
const seconds = () =>
  v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(maxCordonSeconds)), 0);

/** The longest silence that a request can name, in seconds: a hundred years. */
const maxSilenceSeconds = 100 * 366 * 24 * 3600;

const silenceSeconds = () =>
  v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(maxSilenceSeconds)), 0);

/** The decisions that an operator can make about a node. */
export const decisionActions = [
  'approve',
  'reject',
  'delete',
  'rekey',
  'cordon',
  'uncordon',
  'drain',
  'forget',
  'undelete',
  'label',
  'rename',
] as const;
export type DecisionAction = (typeof decisionActions)[number];

/** The body of the PUT with a decision. Bacalhau's other members are ignored, because the path contains the node. */
export const decisionSchema = struct({
  Action: v.optional(bounded(64), ''),
  Message: v.optional(bounded(1024), ''),
  Actor: v.optional(bounded(256), ''),
  Exact: v.optional(v.boolean(), false),
  Fingerprint: v.optional(bounded(64), ''),
  Ban: v.optional(v.boolean(), false),
  ForSeconds: seconds(),
  DeadlineSeconds: seconds(),
  SilentForSeconds: silenceSeconds(),
  ShownMembership: v.optional(v.picklist(memberships)),
  ShownSilenceSeconds: silenceSeconds(),
  ShownFilter: v.optional(bounded(4096), ''),
  ShownOperation: v.optional(bounded(128), ''),
  ShownCordonAt: v.optional(v.union([v.literal(''), goTime()], 'no time, and not empty')),
  ShownLabels: v.optional(labelChange()),
  Labels: v.optional(labelChange(), {}),
  NewID: v.optional(bounded(256), ''),
});

/** The body of the PUT as a client sends it. */
export interface DecisionBody {
  Action: DecisionAction;
  /** The reason of the operator; may be empty. */
  Message: string;
  /** What the caller says of itself. It stands beside the name of its token. */
  Actor: string;
  /**
   * Whether the path has the whole id of the node. Otherwise it may also have a unique beginning of an id, as Bacalhau's
   * tools send it.
   */
  Exact: boolean;
  /**
   * The fingerprint that the operator saw; the decision is refused when the node has another key by now. For `rekey` the
   * fingerprint of the new key.
   */
  Fingerprint?: string;
  /** Whether the key of a node that is deleted is refused for ever. */
  Ban?: boolean;
  /** For `cordon` and `drain`: the time after which the cordon ends by itself. */
  ForSeconds?: number;
  /** For `drain`: the time within which the work should be over. */
  DeadlineSeconds?: number;
  /** For `forget`: the shortest silence. A node that was heard since is not forgotten. */
  SilentForSeconds?: number;
  /**
   * What a selection showed of the node: its membership, the shortest silence that was asked for, and the filters of status,
   * conditions and labels, as the list takes them in its address. The decision is refused when the node is not so any more. An
   * earlier requester does not compare them.
   */
  ShownMembership?: Membership;
  ShownSilenceSeconds?: number;
  ShownFilter?: string;
  /**
   * The last operation about the node that its reader knows, as whoever takes it back. The decision is refused when somebody
   * has decided about the node since.
   */
  ShownOperation?: string;
  /**
   * When the cordon that was shown was decided or changed last; empty when none was shown. The decision is refused when another
   * cordon is there, or none.
   */
  ShownCordonAt?: string;
  /**
   * The labels of the control plane that were shown, of those that the decision is about; null for one that was not there. The
   * decision is refused when one of them is not so any more.
   */
  ShownLabels?: LabelChange;
  /** For `label`: the new values of labels; null removes one, and the node's own value counts again. */
  Labels?: LabelChange;
  /** For `rename`: the id that the node gets. */
  NewID?: string;
}

/** The answer to a decision. Muster refuses with a problem, Bacalhau with `Success: false`. */
export const decisionAnswerSchema = struct({
  Success: v.boolean('expected true or false'),
  Error: text(1024),
});

/** The member that a muster requester adds to a node. A Bacalhau orchestrator adds nothing. */
export const musterViewSchema = struct({
  Health: v.picklist(healths),
  /** Time since the last sign of life, in milliseconds; absent when this requester never received one. */
  Silence: v.optional(v.pipe(v.number(), v.finite(), v.minValue(0))),
  /** Why it has this health, and what comes next. Only the answer with a single node has it. */
  Outlook: v.optional(
    struct({
      /** The rule that applies, for people. */
      Rule: text(1024),
      /** The health that comes when nothing more is heard, and when; absent when none does. */
      Next: v.optional(v.picklist(healths)),
      NextAt: v.optional(goTime()),
      /** Why verdicts on silent nodes wait now. */
      Waits: v.optional(v.pipe(v.string(), v.maxLength(1024))),
    }),
  ),
  RegisteredAt: v.optional(goTime()),
  Version: v.optional(v.pipe(v.string(), v.maxLength(256))),
  /** The id of the join code with which the node came in. */
  JoinCode: v.optional(v.pipe(v.string(), v.maxLength(64))),
  /** The labels of the control plane. They are among those in `Info` too. */
  Labels: v.optional(strictTextMap(256, 256, 1024)),
  /** Where each of these labels comes from, and the value that the node itself sends, which does not count meanwhile. */
  LabelOrigins: v.optional(
    v.pipe(
      v.array(
        struct({
          ...labelOriginMembers,
          At: v.optional(goTime()),
          /** The join code that gave the label; absent for one that an operator set. */
          JoinCode: v.optional(text(64)),
          Own: v.optional(text(1024)),
        }),
      ),
      v.maxLength(256),
    ),
  ),
  Decision: v.optional(
    struct({
      Action: text(64),
      Reason: text(1024),
      Actor: text(256),
      ClaimedActor: v.optional(text(256)),
      At: v.optional(goTime()),
    }),
  ),
  /**
   * Whether new work may be given to the node, as far as operators decide it: it is approved, and not cordoned. Whether it is
   * alive is its health. Earlier versions do not say it.
   */
  Schedulable: v.optional(v.boolean()),
  Cordon: v.optional(cordonSchema),
  /** The ids that the node had before operators renamed it, the latest first; absent when none did. */
  FormerIDs: v.optional(formerIdsSchema),
  /** When the node registered for the first time; absent when an earlier version did not note it. */
  FirstRegisteredAt: v.optional(goTime()),
  /** What was known of the node when it was last deleted or forgotten; absent when it never was. Its key is left out. */
  Former: v.optional(shownTombstoneSchema),
  /** What the node said last that it runs; absent when it has not said it to this requester. */
  Executions: v.optional(
    struct({
      Running: count(),
      /** Number of those that wait for their turn on the node. */
      Waiting: count(),
      At: goTime(),
    }),
  ),
  /** The key that is pinned to the node and its fingerprint; both absent when the requester checks no key of it. */
  PublicKey: v.optional(v.pipe(v.string(), v.maxLength(64))),
  Fingerprint: v.optional(v.pipe(v.string(), v.maxLength(64))),
  /**
   * The last conflict about this node id, for an hour: when it was noticed, and the two agents. The second one is the one
   * that was refused, if the requester checks keys.
   */
  Conflict: v.optional(
    struct({
      At: goTime(),
      Agents: v.pipe(
        v.array(
          struct({
            Host: text(255),
            Instance: text(128),
            Address: text(255),
            Fingerprint: text(64),
            /** `work` for a program that wants to do the node's work; absent for an agent. */
            Use: v.optional(text(16)),
          }),
        ),
        v.maxLength(2),
      ),
    }),
  ),
  Usage: v.optional(usageSchema),
  ResourcesAt: v.optional(goTime()),
  /** The protocol in which they came: `bprotocol/v2`, or `ncl/v1` of a node of Bacalhau. */
  Protocol: v.optional(v.pipe(v.string(), v.maxLength(64))),
  /** True for the requester that watches over the roll, when it is known; absent for all others. */
  Watches: v.optional(v.boolean()),
});
export type MusterView = v.InferOutput<typeof musterViewSchema>;

/**
 * Returns a schema for an object that has this member. Go reads null as an empty object and an absent member as empty, but
 * neither is the answer of a requester.
 */
export const having = (member: string) =>
  v.pipe(
    v.unknown(),
    v.check(value => typeof value === 'object' && value !== null, 'expected an object'),
    v.check(
      value => Object.keys(value as object).some(name => name.toLowerCase() === member.toLowerCase()),
      `there is no member ${member}`,
    ),
  );

/** The answers that contain nodes. Each node is checked separately. Go writes null for an empty list. */
export const nodeListSchema = v.pipe(having('Nodes'), struct({ Nodes: v.nullish(v.array(v.unknown()), []) }));
export const oneNodeSchema = v.pipe(having('Node'), struct({ Node: v.unknown() }));

/** The list of the nodes that are gone. */
export const goneNodesSchema = v.pipe(having('Nodes'), struct({ Nodes: v.array(goneNodeSchema) }));

/** A node whose record the store lost, with what was announced of it. */
export const lostNodeSchema = struct({
  NodeID: nodeId(),
  /** Empty for a node that was deleted. */
  Membership: v.nullish(v.picklist([...memberships, '']), ''),
  /** Time of the decision. */
  At: goTime(),
  Actor: text(256),
  Reason: text(1024),
});
export type LostNode = v.InferOutput<typeof lostNodeSchema>;

/** The list of the nodes whose records the store lost. */
export const lostNodesSchema = v.pipe(having('Nodes'), struct({ Nodes: v.array(lostNodeSchema) }));

/** The body of the PUT that writes the record of a lost node again. */
export const rebuildSchema = struct({
  Action: v.literal('rebuild', 'expected "rebuild"'),
  Actor: v.optional(bounded(256), ''),
});

/** The body of the PUT that takes an older store as the right one. */
export const confirmStoreSchema = struct({
  Action: v.literal('confirm', 'expected "confirm"'),
  Actor: v.optional(bounded(256), ''),
});

/** The values of the parameter `order_by`. */
export const nodeOrders = [
  'id',
  'type',
  'available_cpu',
  'available_memory',
  'available_disk',
  'available_gpu',
  'approval',
  'status',
] as const;
export type NodeOrder = (typeof nodeOrders)[number];

/** The state of the requester itself. Earlier versions wrote the names in small letters, which is read too. */
export const requesterStateSchema = struct({
  State: v.pipe(v.string(), v.minLength(1), v.maxLength(64)),
  Reason: text(1024),
});

/** The header by which a requester of muster says what it is, because it answers much as an orchestrator of Bacalhau. */
export const serverHeader = { name: 'Server', value: 'muster' } as const;

/**
 * The header of a stream of events that goes on: the time in milliseconds after which an empty line comes at the latest when no
 * event does. A requester that hears no events sends none.
 */
export const signOfLifeHeader = 'Muster-Sign-Of-Life-Ms';
