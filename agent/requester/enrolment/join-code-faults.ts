// The errors about join codes that operators see: too many, and a code that is not valid.
import { MusterError } from '../../system/errors.ts';
import { type JoinCodeState, maxCodes } from './join-code-rules.ts';

export const listHint = 'list the codes by: muster join-code list';

export const tooMany = (): MusterError =>
  new MusterError('conflict', `there are ${maxCodes} join codes that let nodes in, and no room for another`, {
    hint: 'revoke some of them: muster join-code revoke ID',
  });

export const madeBefore = (id: string): MusterError =>
  new MusterError('conflict', `this operation has made the join code ${id} before, and shows it no more`, {
    hint: `if nobody has it, revoke it and make another: muster join-code revoke ${id}`,
  });

export function notValid(id: string, state: Exclude<JoinCodeState, 'valid'>): MusterError {
  const why = { revoked: 'is revoked already', spent: 'is used up', expired: 'has expired' }[state];
  return new MusterError('conflict', `the join code ${id} ${why}: it lets nobody in`, { hint: listHint });
}
