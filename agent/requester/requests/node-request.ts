// A request of a node, as its protocol has read it, and how its body is read.
import type * as v from 'valibot';
import { ProtocolError } from '../../protocol/error.ts';
import type { Sender } from '../../protocol/messages.ts';
import type { NodeState } from '../../protocol/node-state.ts';
import { validate } from '../../protocol/schema.ts';
import type { ManagementMethod } from '../../protocol/subjects.ts';
import type { MessageSender } from '../events/conflict-detector.ts';

/** A request of a node, in whichever protocol it came. */
export interface NodeRequest {
  method: ManagementMethod;
  /** The node that the subject names. */
  nodeId: string;
  /** The name of the protocol, as nodes list it in their information. */
  protocol: string;
  /** The body, and whether it is what its schema makes of it; otherwise it is not yet validated. */
  body: unknown;
  isValid: boolean;
  /**
   * Whether the member `Muster` counts. What a client without a key says of its session and version could otherwise end the
   * session of another such node, or get it the reason of an operator.
   */
  hasSender: boolean;
  /**
   * Whether its sender registers again when it is told that it must. A node of Bacalhau that speaks the older protocol does not,
   * but its information has all that a registration has.
   */
  registersAgain: boolean;
  /** The number of the request among all that this requester has received: a request may be carried out after a later one. */
  arrival: number;
}

/** A request that another requester answers. */
export type NotedRequest = Omit<NodeRequest, 'registersAgain'>;

export type NodeMessage = ({ NodeID: string } | { Info: { NodeID: string } }) & {
  Muster?: Sender | undefined;
};

/**
 * Reads the body of a request. What a client without a key says of itself does not count. @throws ProtocolError for a message
 * that cannot be read, or that names another node than its subject.
 */
export function readBody<T extends NodeMessage>(
  { nodeId, body, isValid, hasSender }: NotedRequest,
  schema: v.GenericSchema<unknown, T>,
): T {
  const message = ofNode(nodeId, isValid ? (body as T) : validate(schema, body));
  return hasSender ? message : { ...message, Muster: undefined };
}

/** Returns whether a sender speaks for the node as it is on the roll, which is `state`. */
export function speaksFor(sender: Sender | undefined, state: NodeState | undefined): boolean {
  return (
    state?.Info.NodeType === 'Compute' &&
    state.Membership !== 'REJECTED' &&
    state.Muster?.Session === sender?.Session
  );
}

/** Returns the agent that a message is of. `host` is undefined when the message does not name it. */
export function agentOf(sender: Sender | undefined, host: string | undefined): MessageSender {
  return { session: sender?.Session, instance: sender?.Instance, host };
}

// Refuses a message that names another node than its subject, because the broker's permissions protect only the id in the
// subject.
function ofNode<T extends NodeMessage>(nodeId: string, message: T): T {
  const inside = 'Info' in message ? message.Info.NodeID : message.NodeID;
  if (inside !== nodeId) {
    throw new ProtocolError(
      'invalid_field',
      `the subject names node ${nodeId.slice(0, 128)}, the message another`,
      'NodeID',
    );
  }
  return message;
}
