// Reads and writes the control messages of Bacalhau's newer protocol (ncl/v1), which its nodes from 1.6 on speak.
import * as v from 'valibot';
import {
  encodeEnvelope,
  envelopeType,
  messageMetadata,
  openEnvelope,
  requireJsonPayload,
} from './envelope.ts';
import { ProtocolError } from './error.ts';
import { ControlError, controlSource } from './ncl-error.ts';
import { goTime, type NodeInfo } from './node-info.ts';
import { count, struct, validate } from './schema.ts';
import type { ManagementMethod } from './subjects.ts';

/** A request in the words of the older protocol, whose rules it follows. */
export interface ControlRequest {
  /** The type of the message, such as `transport.HandshakeRequest`. */
  type: string;
  method: ManagementMethod;
  /** The body of the request, not yet validated. */
  body: unknown;
  /** The number of the last message of an orchestrator that the node has processed. */
  sequence: number;
}

/** What a request led to. */
export interface ControlOutcome {
  accepted: boolean;
  reason: string;
}

interface Kind {
  method: ManagementMethod;
  answer: string;
  /** Returns the body of the request of the older protocol. */
  body(payload: Payload, whole: unknown): unknown;
  /** Returns the payload of the answer. */
  payload(outcome: ControlOutcome, request: ControlRequest): object;
}

const payloadSchema = struct({
  NodeInfo: v.unknown(),
  /** When the node's process began to connect. Bacalhau does not use it, but refuses a text that is no time. */
  StartTime: v.optional(goTime()),
  LastOrchestratorSeqNum: count(),
});
type Payload = v.InferOutput<typeof payloadSchema>;

const information = ({ NodeInfo }: Payload) => ({ Info: NodeInfo });
const whole = (_payload: Payload, all: unknown) => all;
const reasoned = ({ accepted, reason }: ControlOutcome) => ({ accepted, ...(reason ? { reason } : {}) });
// There are no jobs, so no message about them was processed.
const nothingProcessed = { LastComputeSeqNum: 0 };
const nothingReceived = { LastOrchestratorSeqNum: 0 };

const kinds: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  [
    'transport.HandshakeRequest',
    {
      method: 'RegisterNode/v1',
      answer: 'transport.HandshakeResponse',
      body: information,
      // A node takes the number in the answer for its own, so it gets back the one that it has.
      payload: (outcome, { sequence }) => ({
        ...reasoned(outcome),
        ...nothingProcessed,
        LastOrchestratorSeqNum: outcome.accepted ? sequence : 0,
      }),
    },
  ],
  [
    'transport.UpdateNodeInfoRequest',
    {
      method: 'UpdateNodeInfo/v1',
      answer: 'transport.UpdateNodeInfoResponse',
      body: information,
      payload: reasoned,
    },
  ],
  [
    'transport.HeartbeatRequest',
    {
      method: 'UpdateResources/v1',
      answer: 'transport.HeartbeatResponse',
      body: whole,
      payload: () => nothingProcessed,
    },
  ],
  [
    'transport.ShutdownNoticeRequest',
    {
      method: 'Leave/v1',
      answer: 'transport.ShutdownNoticeResponse',
      body: whole,
      payload: () => nothingProcessed,
    },
  ],
]);

/** The types of the other messages of this protocol, which a node sends elsewhere or only receives. */
const otherTypes: ReadonlySet<string> = new Set([
  ...[...kinds.values()].map(({ answer }) => answer),
  ...['AskForBid', 'BidAccepted', 'BidRejected', 'CancelExecution', 'BidResult', 'RunResult', 'ComputeError'],
  ...['managedPublisher.PreSignURLRequest', 'managedPublisher.PreSignURLResponse', 'BacError'],
]);

/** Reads a control request. @throws ControlError for anything else, with Bacalhau's text */
export function readControlRequest(bytes: Uint8Array): ControlRequest {
  const envelope = orRefuse('failed to deserialize message envelope: ', () => openEnvelope(bytes));
  orRefuse('failed to deserialize message payload: ', () => requireJsonPayload(envelope));
  const type = envelopeType(envelope);
  const kind = kinds.get(type);
  const named = type.slice(0, 64);
  if (otherTypes.has(type))
    throw new ControlError(`no handler found for message type: ${named}`, 'no_handler');
  if (!kind)
    throw new ControlError(
      `${unread}failed to deserialize message payload: unsupported message type: ${named}`,
    );
  const payload = orRefuse(misfit, () => validate(payloadSchema, envelope.payload));
  return {
    type,
    method: kind.method,
    body: kind.body(payload, envelope.payload),
    sequence: payload.LastOrchestratorSeqNum,
  };
}

const unread = 'failed to deserialize request: ';
const misfit = 'failed to deserialize message payload: failed to deserialize with encoding json: ';

/** Returns the text for a request whose content does not fit its type. `detail` says what does not. */
export const misfitText = (detail: string): string => `${unread}${misfit}${detail}`;

/** Returns the text for a request that was understood and could not be carried out. */
export const failedText = (reason: string): string => `failed to process request: ${reason}`;

function orRefuse<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new ControlError(`${unread}${what}${error.message}`);
  }
}

/**
 * Writes the answer to a request that was carried out or refused by a rule. `at` is the wall time of sending, `messageId` the id
 * that the request had; empty when it had none.
 */
export function encodeControlAnswer(
  request: ControlRequest,
  outcome: ControlOutcome,
  at: Date,
  messageId = '',
): Buffer {
  const kind = kinds.get(request.type);
  if (!kind) throw new Error(`no answer to ${request.type}`);
  return encodeEnvelope({
    metadata: messageMetadata(kind.answer, controlSource, at, messageId),
    payload: kind.payload(outcome, request),
  });
}

/** Writes a node's handshake. `at` is the wall time of sending. */
export const encodeHandshake = (info: NodeInfo, at: Date): Buffer =>
  encodeEnvelope({
    metadata: messageMetadata('transport.HandshakeRequest', info.NodeID, at),
    payload: { NodeInfo: info, StartTime: at.toISOString(), ...nothingReceived },
  });

/** Writes a node's notice that it stops. `at` is the wall time of sending. */
export const encodeShutdownNotice = (nodeId: string, at: Date): Buffer =>
  encodeEnvelope({
    metadata: messageMetadata('transport.ShutdownNoticeRequest', nodeId, at),
    payload: { NodeID: nodeId, ...nothingReceived },
  });

/** The acknowledgement of a message about jobs. Without one, a node sends the same again for ever. */
export const jobMessageReceived = '{}';
