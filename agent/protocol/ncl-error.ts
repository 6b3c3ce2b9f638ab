// The errors of Bacalhau's newer protocol (ncl/v1): which there are, and how they are written.
import { encodeEnvelope, messageMetadata, metadataKeys } from './envelope.ts';
import { ProtocolError } from './error.ts';

/**
 * Why a control request failed. After `handshake_required` the node shakes hands again, which is how it registers. After any
 * other error it sends its next request as usual.
 */
export type ControlFault = 'handshake_required' | 'concurrent_update' | 'no_handler' | 'other';

/** A control request that cannot be read, with the text for the node. */
export class ControlError extends ProtocolError {
  readonly control: ControlFault;

  constructor(message: string, control: ControlFault = 'other') {
    super('malformed', message);
    this.control = control;
  }
}

/** The text of the fault `concurrent_update`. */
export const concurrentUpdate = 'concurrent modification detected';

/** The sender that Bacalhau's orchestrators name. Nodes do not compare it. */
export const controlSource = 'orchestrator-control';
/** The time that Bacalhau writes into errors. It has no meaning. */
const noTime = '-6795364578871345152';

interface Form {
  code: string;
  /** The status in the metadata, and that in the payload, which is 0 where Bacalhau derives the status from the code. */
  status: number;
  ownStatus: number;
  isRetryable: boolean;
  component: string;
  hint: string;
}

const other: Form = {
  code: '',
  status: 500,
  ownStatus: 0,
  isRetryable: false,
  component: 'Bacalhau',
  hint: '',
};
const forms: Readonly<Record<ControlFault, Form>> = {
  other,
  no_handler: { ...other, code: 'NotFound', status: 404 },
  handshake_required: {
    ...other,
    code: 'HandshakeRequired',
    status: 428,
    ownStatus: 428,
    isRetryable: true,
    component: 'ConnectionManager',
  },
  concurrent_update: {
    code: 'ConcurrentUpdate',
    status: 409,
    ownStatus: 409,
    isRetryable: true,
    component: 'NodesManager',
    hint: 'Request should be retried',
  },
};

/** Writes the answer to a request that failed. `messageId` is the one that the request had; empty when it had none. */
export function encodeControlError(cause: string, fault: ControlFault, messageId = ''): Buffer {
  const { code, status, ownStatus, isRetryable, component, hint } = forms[fault];
  return encodeEnvelope({
    metadata: {
      ...messageMetadata('BacError', controlSource, new Date(0), messageId),
      [metadataKeys.eventTime]: noTime,
      [metadataKeys.errorCode]: code,
      [metadataKeys.statusCode]: String(status),
    },
    payload: {
      Cause: cause,
      Hint: hint,
      Retryable: isRetryable,
      FailsExecution: false,
      Component: component,
      HTTPStatusCode: ownStatus,
      Details: null,
      Code: code,
    },
  });
}
