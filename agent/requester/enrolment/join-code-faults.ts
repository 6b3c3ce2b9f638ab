// The errors about join codes that operators see: a code that is not valid, and what the store did not do.
import { MusterError } from '../../system/errors.ts';
import { BrokerError } from '../../transport/port.ts';
import { storeFault } from '../status/store-fault.ts';
import { throwIfTakenOver } from '../status/took-over.ts';
import { type JoinCodeState, maxCodes } from './join-code-rules.ts';

export const listHint = 'list the codes by: muster join-code list';

export const tooMany = (): MusterError =>
  new MusterError('conflict', `there are ${maxCodes} join codes that let nodes in, and no room for another`, {
    hint: 'revoke some of them: muster join-code revoke ID',
  });

export function notValid(id: string, state: Exclude<JoinCodeState, 'valid'>): MusterError {
  const why = { revoked: 'is revoked already', spent: 'is used up', expired: 'has expired' }[state];
  return new MusterError('conflict', `the join code ${id} ${why}: it lets nobody in`, { hint: listHint });
}

/** Throws what is wrong when the store did not do something, or may not have; `what` says what. */
export function throwStoreError(error: unknown, what: string, hint = 'try again in a moment'): never {
  throwIfTakenOver(error);
  if (!(error instanceof BrokerError)) throw error;
  const isDefinite = error.fault === 'no_space' || error.fault === 'refused';
  throw new MusterError(
    isDefinite ? 'failed' : 'unreachable',
    `${what}: ${storeFault(error, 'the cluster store')} (${error.message})`,
    { hint, cause: error },
  );
}
