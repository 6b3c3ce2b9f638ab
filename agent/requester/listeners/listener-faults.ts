// The errors about listeners that operators see: a name that is taken, and what the store did not do.
import { MusterError } from '../../system/errors.ts';
import { wasChanged } from '../cluster/record-conflict.ts';
import { throwUnstored } from '../status/unstored.ts';

export const taken = (name: string): MusterError =>
  new MusterError('conflict', `there is a listener ${name} already`, {
    hint: `choose another name, or revoke that one first: muster listener revoke ${name}`,
  });

export const madeBefore = (name: string): MusterError =>
  new MusterError(
    'conflict',
    `this operation has made the listener ${name} before, and shows its token no more`,
    {
      hint: `see muster listener list; if nobody has it, revoke it and make another: muster listener revoke ${name}`,
    },
  );

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
  return throwUnstored(
    error,
    { what: `the listener ${name} was not stored`, hint: 'the log of the requester says more' },
    {
      what: `the listener ${name} may exist or not`,
      hint: 'see muster listener list; when it is there, revoke it and make it again, because nobody saw its token',
    },
  );
}

/** Throws what is wrong when the store did not tell what there was before, so that no listener was made. */
export function throwUnread(error: unknown, name: string): never {
  return throwUnstored(error, {
    what: `no listener ${name} was made`,
    hint: 'the log of the requester says more',
  });
}

/** Throws what is wrong when the store did not forget a listener, or may not have. */
export function throwUnrevoked(error: unknown, name: string): never {
  if (wasChanged(error)) throw changedMeanwhile(name);
  return throwUnstored(error, {
    what: `the token of the listener ${name} may be valid again after a restart of the requester`,
    hint: `try again: muster listener revoke ${name}`,
  });
}
