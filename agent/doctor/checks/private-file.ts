// What may be wrong with a file of state that is its owner's alone.
import { stat } from 'node:fs/promises';
import { MusterError, reasonOf } from '../../system/errors.ts';
import { type Finding, failed, isDenied, runAsRoot, warning } from './check.ts';

/** It is its owner's alone, and that is who owns the folder. */
export async function exposureFindings(
  path: string,
  folder: string,
  { mode, uid }: { mode: number; uid: number },
): Promise<Finding[]> {
  const found: Finding[] = [];
  if (mode & 0o077) {
    found.push(failed(`${path} is open to others (mode ${(mode & 0o777).toString(8)})`, `chmod 600 ${path}`));
  }
  const owner = (await stat(folder)).uid;
  if (uid !== owner) {
    const text = `${path} belongs to user ${uid}, and its folder to user ${owner}: the agent may not be able to read it`;
    found.push(failed(text, `chown --reference=${folder} ${path}`));
  }
  return found;
}

/** What to say of one that cannot be read, or holds what it should not. */
export function unreadableFinding(error: unknown, path: string): Finding {
  if (!(error instanceof MusterError)) throw error;
  if (isDenied(error)) return warning(`${path} is not for this user to read`, runAsRoot);
  return failed(reasonOf(error), error.hint ?? 'see what stands there');
}
