// The errors about listeners that operators see: a name that is taken, and what the store did not do.
import { MusterError } from '../../system/errors.ts';
import { BrokerError, isRefusal } from '../../transport/port.ts';
import { wasChanged } from '../cluster/record-set.ts';
import { storeFault } from '../status/store-fault.ts';
import { throwIfTakenOver } from '../status/took-over.ts';

export const taken = (name: string): MusterError =>
  new MusterError('conflict', `there is a listener ${name} already`, {
    hint: `choose another name, or revoke that one first: muster listener revoke ${name}`,
  });

export const tooMany = (maxListeners: number): MusterError =>
  new MusterError('conflict', `there are ${maxListeners} listeners already`, {
    hint: 'revoke those that are not needed: muster listener revoke NAME',
  });

const changedMeanwhile = (name: string): MusterError =>
  new MusterError('conflict', `the listener ${name} was replaced at another requester meanwhile`, {
    hint: `see muster listener list; if it must be void, repeat: muster listener revoke ${name}`,
  });

export const notFound = (name: string): MusterError =>
  new MusterError('not_found', `there is no listener ${name}`, { hint: 'list them: muster listener list' });

/** Throws what is wrong when a new listener was not stored, or may not be. */
export function throwUnwritten(error: unknown, name: string): never {
  if (wasChanged(error)) throw taken(name);
  throwOther(error);
  const fault = `${storeFault(error, 'the cluster store')} (${error.message})`;
  if (hasAnswered(error))
    throw new MusterError('failed', `the listener ${name} was not stored: ${fault}`, {
      hint: 'the log of the requester says more',
      cause: error,
    });
  throw new MusterError('unreachable', `the listener ${name} may exist or not: ${fault}`, {
    hint: 'see muster listener list; when it is there, revoke it and make it again, because nobody saw its token',
    cause: error,
  });
}

/** Throws what is wrong when the store did not forget a listener, or may not have. */
export function throwUnrevoked(error: unknown, name: string): never {
  if (wasChanged(error)) throw changedMeanwhile(name);
  throwOther(error);
  const fault = `${storeFault(error, 'the cluster store')} (${error.message})`;
  const text = `the token of the listener ${name} may be valid again after a restart of the requester: ${fault}`;
  throw new MusterError(hasAnswered(error) ? 'failed' : 'unreachable', text, {
    hint: `try again: muster listener revoke ${name}`,
    cause: error,
  });
}

function throwOther(error: unknown): asserts error is BrokerError {
  throwIfTakenOver(error);
  if (!(error instanceof BrokerError)) throw error;
}

// Only a store that answered is known not to have stored something.
const hasAnswered = (error: BrokerError): boolean => error.fault === 'no_space' || isRefusal(error);
