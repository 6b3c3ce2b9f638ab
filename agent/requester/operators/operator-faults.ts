// The errors about operators' tokens that operators see: a name that is taken, and what the store did not do.
import { MusterError } from '../../system/errors.ts';
import { wasChanged } from '../cluster/record-conflict.ts';
import { throwUnstored } from '../status/unstored.ts';

export const taken = (name: string): MusterError =>
  new MusterError('conflict', `there is an operator ${name} already`, {
    hint: `choose another name, or revoke that token first: muster operator revoke ${name}`,
  });

export const madeBefore = (name: string): MusterError =>
  new MusterError(
    'conflict',
    `this operation has made the token of operator ${name} before, and shows it no more`,
    {
      hint: `see muster operator list; if nobody has it, revoke it and make another: muster operator revoke ${name}`,
    },
  );

export const reserved = (name: string): MusterError =>
  new MusterError(
    'conflict',
    `an operator ${name} is one whose token a requester makes for its own machine`,
    {
      hint: 'choose another name',
    },
  );

const changedMeanwhile = (name: string): MusterError =>
  new MusterError('conflict', `the token of operator ${name} was replaced at another requester meanwhile`, {
    hint: `see muster operator list; if it must be void, repeat: muster operator revoke ${name}`,
  });

export const tooMany = (maxOperators: number): MusterError =>
  new MusterError('conflict', `there are ${maxOperators} operators already`, {
    hint: 'revoke those that are not needed: muster operator revoke NAME',
  });

export const notFound = (name: string): MusterError =>
  new MusterError('not_found', `there is no operator ${name}`, { hint: 'list them: muster operator list' });

/** Throws what is wrong when a new token was not stored, or may not be. */
export function throwUnwritten(error: unknown, name: string): never {
  if (wasChanged(error)) throw taken(name);
  return throwUnstored(
    error,
    { what: `the token of operator ${name} was not stored`, hint: 'the log of the requester says more' },
    {
      what: `operator ${name} may exist or not`,
      hint: 'see muster operator list; when it is there, revoke it and create it again, because nobody saw its token',
    },
  );
}

/** Throws what is wrong when the store did not tell what there was before, so that no token was made. */
export function throwUnread(error: unknown, name: string): never {
  return throwUnstored(error, {
    what: `no token of operator ${name} was made`,
    hint: 'the log of the requester says more',
  });
}

/** Throws what is wrong when the store did not forget a token, or may not have. */
export function throwUnrevoked(error: unknown, name: string): never {
  if (wasChanged(error)) throw changedMeanwhile(name);
  return throwUnstored(error, {
    what: `the token of operator ${name} may be valid again after a restart of the requester`,
    hint: `try again: muster operator revoke ${name}`,
  });
}
