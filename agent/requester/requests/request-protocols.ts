// The two protocols in which nodes ask: bprotocol, which muster and every Bacalhau speak, and ncl, which Bacalhau's nodes
// from 1.6 on speak when nobody answered the first. Both lead to the same requests.
import {
  encodeEmptyResponse,
  encodeErrorResponse,
  encodeRegisterResponse,
  reasons,
} from '../../protocol/answers.ts';
import { metadataKeys } from '../../protocol/envelope.ts';
import { ProtocolError } from '../../protocol/error.ts';
import { parseJson } from '../../protocol/json.ts';
import { encodeControlAnswer, failedText, misfitText, readControlRequest } from '../../protocol/ncl.ts';
import {
  ControlError,
  type ControlFault,
  concurrentUpdate,
  encodeControlError,
} from '../../protocol/ncl-error.ts';
import type { NodeInfo } from '../../protocol/node-info.ts';
import {
  controlWildcard,
  type ManagementMethod,
  managementSubject,
  managementWildcard,
  nodeInOutSubject,
  parseManagementSubject,
} from '../../protocol/subjects.ts';
import { readUsualInfo } from '../../protocol/usual-info.ts';
import { readUsualUpdate } from '../../protocol/usual-update.ts';
import type { Message } from '../../transport/port.ts';
import type { NodeRequest } from './node-request.ts';
import type { RequestResult } from './request-answers.ts';

/** A request that was read, and what writes its answer. */
export interface ReadRequest extends Pick<NodeRequest, 'method' | 'body' | 'isValid'> {
  /** `at` is the wall time of sending. */
  encode(result: RequestResult, at: Date): string | Uint8Array;
}

/** What is read of the message of a request. */
export type RequestMessage = Pick<Message, 'data' | 'header'>;

/** Returns the information in the record of a node; undefined when it is not on the roll. */
export type InfoOf = (nodeId: string) => NodeInfo | undefined;

export interface RequestProtocol {
  /** Its name, as nodes list it in their information. */
  readonly name: string;
  /** The subject of the requests of all nodes. */
  readonly wildcard: string;
  /** The subjects of the requests that every requester has to hear, although one answers: a sign of life, and a stop. */
  readonly toAll: readonly string[];
  /** Returns the node in the subject of a request; undefined when it is the subject of another program. */
  nodeIn(subject: string): string | undefined;
  /** Whether the requests of a node are carried out one after the other, in the order in which they came. */
  readonly isOrdered: boolean;
  /** Whether a node of Bacalhau registers again when it is told that it must. */
  readonly registersAgain: boolean;
  /** Reads a request, on a subject that names a node. `infoOf` returns what is known of a node. @throws ProtocolError */
  read(subject: string, message: RequestMessage, infoOf?: InfoOf): ReadRequest;
  /** Writes the answer to a request that failed. `text` must not be empty; `error` is what was thrown, if anything was. */
  encodeError(text: string, message: RequestMessage, error?: unknown): string | Uint8Array;
}

export const bprotocol: RequestProtocol = {
  name: 'bprotocol/v2',
  wildcard: managementWildcard,
  toAll: [managementSubject('*', 'UpdateResources/v1'), managementSubject('*', 'Leave/v1')],
  nodeIn: subject => parseManagementSubject(subject)?.nodeId,
  isOrdered: false,
  registersAgain: false,
  read(subject, { data }, infoOf) {
    const target = parseManagementSubject(subject);
    if (!target) throw new Error(`${subject} is the subject of no request`);
    const { method, nodeId } = target;
    const known = method === 'UpdateNodeInfo/v1' ? infoOf?.(nodeId) : undefined;
    const usual =
      method === 'UpdateResources/v1' ? readUsualUpdate(data) : known && readUsualInfo(data, known);
    const body = usual ?? parseJson(data);
    return { method, body, isValid: usual !== undefined, encode: encodeAnswer };
  },
  encodeError: text => encodeErrorResponse(text),
};

/**
 * The subject of the requests in which nodes say every minute which CAs they keep. Such a request is large, so it is heard
 * beside the requester that answers it only while another CA is to follow.
 */
export const confirmationSubject = managementSubject('*', 'UpdateNodeInfo/v1');

export const ncl: RequestProtocol = {
  name: 'ncl/v1',
  wildcard: controlWildcard,
  toAll: [controlWildcard],
  nodeIn: nodeInOutSubject,
  isOrdered: true,
  registersAgain: true,
  read(subject, message) {
    const request = readControlRequest(message.data);
    const encode: ReadRequest['encode'] = (result, at) => {
      const fault = controlFault(request.method, result);
      if (!fault) return encodeControlAnswer(request, result, at, messageIdOf(message));
      const cause = controlCause(fault, result.reason, nodeInOutSubject(subject));
      return encodeControlError(cause, fault, messageIdOf(message));
    };
    return { method: request.method, body: request.body, isValid: false, encode };
  },
  encodeError(text, message, error) {
    if (error instanceof ControlError) return encodeControlError(text, error.control, messageIdOf(message));
    const cause = error instanceof ProtocolError ? misfitText(text) : failedText(text);
    return encodeControlError(cause, 'other', messageIdOf(message));
  },
};

/** The refusals after which a node has to register again, or has to hear that it may not. */
const mustShakeHands: ReadonlySet<RequestResult['code']> = new Set([
  'handshake_required',
  'deleted',
  'rejected',
]);

/** Returns the error with which a result is answered; undefined for an answer that is none. */
function controlFault(
  method: ManagementMethod,
  { form, code, isConcurrent }: RequestResult,
): ControlFault | undefined {
  // Only the answer to a handshake tells a node that it was rejected.
  const isRejected = code === 'rejected' && method !== 'RegisterNode/v1';
  if (form !== 'error' && !isRejected) return undefined;
  if (mustShakeHands.has(code)) return 'handshake_required';
  return isConcurrent ? 'concurrent_update' : 'other';
}

function controlCause(fault: ControlFault, reason: string, nodeId: string): string {
  if (fault === 'handshake_required') return reasons.handshakeRequired(nodeId);
  return fault === 'concurrent_update' ? concurrentUpdate : failedText(reason);
}

/** The longest id of a message that is given back. Those of Bacalhau have up to 24 characters. */
const maxMessageIdLength = 128;

function messageIdOf(message: RequestMessage): string {
  const id = message.header(metadataKeys.messageId);
  return id.length > maxMessageIdLength ? '' : id;
}

function encodeAnswer({ form, accepted, reason, muster }: RequestResult): string {
  if (form === 'error') return encodeErrorResponse(reason, muster);
  return form === 'empty' ? encodeEmptyResponse(muster) : encodeRegisterResponse(accepted, reason, muster);
}
