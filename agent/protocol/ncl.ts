// Reads and writes the control messages of Bacalhau's newer protocol (ncl/v1), which its nodes from 1.6 on speak.
import * as v from 'valibot';
import {
  decodeEnvelope,
  type Envelope,
  encodeEnvelope,
  envelopeType,
  messageMetadata,
  metadataKeys,
} from './envelope.ts';
import { ProtocolError } from './error.ts';
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

/** The sender that Bacalhau's orchestrators name. Nodes do not compare it. */
const source = 'orchestrator-control';
/** The time that Bacalhau writes into errors. It has no meaning. */
const noTime = '-6795364578871345152';

interface Kind {
  method: ManagementMethod;
  answer: string;
  /** Returns the body of the request of the older protocol. */
  body(payload: Payload, whole: unknown): unknown;
  /** Returns the payload of the answer. */
  payload(outcome: ControlOutcome, request: ControlRequest): object;
}

const payloadSchema = struct({ NodeInfo: v.unknown(), LastOrchestratorSeqNum: count() });
type Payload = v.InferOutput<typeof payloadSchema>;

const information = ({ NodeInfo }: Payload) => ({ Info: NodeInfo });
const whole = (_payload: Payload, all: unknown) => all;
const reasoned = ({ accepted, reason }: ControlOutcome) => ({ accepted, ...(reason ? { reason } : {}) });
// There are no jobs, so no message about them was processed.
const nothingProcessed = { LastComputeSeqNum: 0 };

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

/** Reads a control request. @throws ProtocolError for anything else */
export function readControlRequest(bytes: Uint8Array): ControlRequest {
  const envelope = readEnvelope(bytes);
  const type = envelopeType(envelope);
  const kind = kinds.get(type);
  if (!kind) throw new ProtocolError('malformed', `no handler found for message type: ${type.slice(0, 64)}`);
  const payload = validate(payloadSchema, envelope.payload);
  return {
    type,
    method: kind.method,
    body: kind.body(payload, envelope.payload),
    sequence: payload.LastOrchestratorSeqNum,
  };
}

function readEnvelope(bytes: Uint8Array): Envelope {
  try {
    return decodeEnvelope(bytes);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new ProtocolError(error.fault, `failed to deserialize request: ${error.message}`);
  }
}

/** Writes the answer to a request that was carried out or refused by a rule. `at` is the wall time of sending. */
export function encodeControlAnswer(request: ControlRequest, outcome: ControlOutcome, at: Date): Buffer {
  const kind = kinds.get(request.type);
  if (!kind) throw new Error(`no answer to ${request.type}`);
  return encodeEnvelope({
    metadata: messageMetadata(kind.answer, source, at),
    payload: kind.payload(outcome, request),
  });
}

/**
 * Writes the answer to a request that failed. `mustRegister` makes the node shake hands again, which is how it registers;
 * without it, the node sends its next request as usual.
 */
export function encodeControlError(cause: string, mustRegister: boolean): Buffer {
  const [code, status] = mustRegister ? ['HandshakeRequired', 428] : ['', 0];
  return encodeEnvelope({
    metadata: {
      ...messageMetadata('BacError', source, new Date(0)),
      [metadataKeys.eventTime]: noTime,
      [metadataKeys.errorCode]: code,
      [metadataKeys.statusCode]: String(status || 500),
    },
    payload: {
      Cause: cause,
      Hint: '',
      Retryable: mustRegister,
      FailsExecution: false,
      Component: mustRegister ? 'ConnectionManager' : 'Bacalhau',
      HTTPStatusCode: status,
      Details: null,
      Code: code,
    },
  });
}

/** The acknowledgement of a message about jobs. Without one, a node sends the same again for ever. */
export const jobMessageReceived = '{}';
