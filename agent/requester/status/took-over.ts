// What an operator is told by a requester that has ended: why, and that the request can be repeated elsewhere.
import { MusterError } from '../../system/errors.ts';

/** Throws for an operator that another requester took over, so that the request is repeated there. Returns for other errors. */
export function throwIfTakenOver(error: unknown): void {
  if (error instanceof MusterError && error.code === 'in_use') throw asUnreachable(error);
}

/** Returns the error for an operator who asks a requester that has ended for this reason. */
export const asUnreachable = (reason: MusterError): MusterError =>
  new MusterError('unreachable', reason.message, { hint: reason.hint, cause: reason });
