// The two protocols in which nodes ask: bprotocol, which muster and every Bacalhau speak, and ncl, which Bacalhau's nodes
// from 1.6 on speak when nobody answered the first. Both lead to the same requests.
import { encodeEmptyResponse, encodeErrorResponse, encodeRegisterResponse } from '../../protocol/answers.ts';
import { parseJson } from '../../protocol/json.ts';
import { encodeControlAnswer, encodeControlError, readControlRequest } from '../../protocol/ncl.ts';
import {
  controlWildcard,
  managementSubject,
  managementWildcard,
  nodeInOutSubject,
  parseManagementSubject,
} from '../../protocol/subjects.ts';
import type { RequestResult } from './request-answers.ts';
import type { NodeRequest } from './request-handler.ts';

/** A request that was read, and what writes its answer. */
export interface ReadRequest extends Pick<NodeRequest, 'method' | 'body'> {
  /** `at` is the wall time of sending. */
  encode(result: RequestResult, at: Date): string | Uint8Array;
}

export interface RequestProtocol {
  /** The subject of the requests of all nodes. */
  readonly wildcard: string;
  /** The subjects of the requests that every requester has to hear, although one answers: a sign of life, and a stop. */
  readonly toAll: readonly string[];
  /** Returns the node in the subject of a request; undefined when it is the subject of another program. */
  nodeIn(subject: string): string | undefined;
  /** Reads a request, on a subject that names a node. @throws ProtocolError */
  read(subject: string, data: Uint8Array): ReadRequest;
  /** Writes the answer to a request that failed. `text` must not be empty. */
  encodeError(text: string): string | Uint8Array;
}

export const bprotocol: RequestProtocol = {
  wildcard: managementWildcard,
  toAll: [managementSubject('*', 'UpdateResources/v1'), managementSubject('*', 'Leave/v1')],
  nodeIn: subject => parseManagementSubject(subject)?.nodeId,
  read(subject, data) {
    const target = parseManagementSubject(subject);
    if (!target) throw new Error(`${subject} is the subject of no request`);
    return { method: target.method, body: parseJson(data), encode: encodeAnswer };
  },
  encodeError: text => encodeErrorResponse(text),
};

/**
 * The subject of the requests in which nodes say every minute which CAs they keep. Such a request is large, so it is heard
 * beside the requester that answers it only while another CA is to follow.
 */
export const confirmationSubject = managementSubject('*', 'UpdateNodeInfo/v1');

export const ncl: RequestProtocol = {
  wildcard: controlWildcard,
  toAll: [controlWildcard],
  nodeIn: nodeInOutSubject,
  read(_subject, data) {
    const request = readControlRequest(data);
    const encode: ReadRequest['encode'] = (result, at) =>
      result.form === 'error'
        ? encodeControlError(result.reason, mustShakeHands.has(result.code))
        : encodeControlAnswer(request, result, at);
    return { method: request.method, body: request.body, encode };
  },
  encodeError: text => encodeControlError(text, false),
};

/** The refusals after which a node has to register again, or has to hear that it may not. */
const mustShakeHands: ReadonlySet<RequestResult['code']> = new Set([
  'handshake_required',
  'deleted',
  'rejected',
]);

function encodeAnswer({ form, accepted, reason, muster }: RequestResult): string {
  if (form === 'error') return encodeErrorResponse(reason, muster);
  return form === 'empty' ? encodeEmptyResponse(muster) : encodeRegisterResponse(accepted, reason, muster);
}
