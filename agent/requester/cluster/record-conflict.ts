// What is said when another requester has changed a record of the cluster meanwhile.
import { MusterError } from '../../system/errors.ts';

/** Number of attempts to write a record whose revision another write has changed. */
export const writeAttempts = 8;

/** Returns whether a write failed because another requester changed the record meanwhile. */
export const wasChanged = (error: unknown): error is MusterError =>
  error instanceof MusterError && error.code === 'conflict';

/** Returns the error of a write that leaves a record as another requester has written it. */
export const changedError = (key: string) =>
  new MusterError('conflict', `the record ${key} of the cluster was changed by somebody else meanwhile`, {
    hint: 'see what it is now, and try again',
  });
