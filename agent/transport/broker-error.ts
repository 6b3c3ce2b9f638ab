// The errors of operations on the broker, by the reason.

/** The reason why an operation on the broker failed. */
export type BrokerFault =
  /** There is no connection, or it was lost during the operation. */
  | 'disconnected'
  /** Nobody subscribes to the subject. */
  | 'no_responders'
  /** No answer came in time. */
  | 'timeout'
  /** The key has another revision than the one in the call, because somebody else wrote it. */
  | 'revision_conflict'
  /** Another write of the key is not acknowledged yet, so that this one was not begun. A single server never says so. */
  | 'write_under_way'
  /** The broker has no room on its disk to store the message, so it did not store it. */
  | 'no_space'
  /** So few servers of a cluster are there that its store has no leader. Nothing was stored. A single server never says so. */
  | 'no_quorum'
  /** A cluster does not find a stream that was there before. A server that came back empty may have answered. */
  | 'store_missing'
  /** A stream, a bucket or a permission is missing, or has another configuration. */
  | 'refused'
  /** The broker does not permit us the subject. */
  | 'not_permitted';

export class BrokerError extends Error {
  override readonly name = 'BrokerError';
  readonly fault: BrokerFault;

  constructor(fault: BrokerFault, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.fault = fault;
  }
}

/** Returns whether the broker refuses an operation for good, so that trying it again is of no use. */
export const isRefusal = ({ fault }: BrokerError): boolean =>
  fault === 'refused' || fault === 'not_permitted';

/** Returns whether a write failed because somebody else has written the key or the stream meanwhile. */
export const isRevisionConflict = (error: unknown): error is BrokerError =>
  error instanceof BrokerError && error.fault === 'revision_conflict';
