// Names a user who is not root, for tests in which root meets files of another user, and runs programs as that user.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** The id of the user, and of the group. It is nobody's on most systems. */
export const otherUser = 65_534;

/** The options of a test that makes files of another user. */
export const needsRoot =
  process.geteuid?.() === 0 ? {} : { skip: 'only root can make files of another user' };

/** Runs a program as that user. Returns what it printed, or `refused` and its exit code. Only root can call this. */
export function runAsOther(...words: string[]): Promise<string> {
  const user = ['--reuid', String(otherUser), '--regid', String(otherUser), '--clear-groups'];
  return promisify(execFile)('setpriv', [...user, ...words]).then(
    ({ stdout }) => stdout,
    error => `refused ${error.code}`,
  );
}
