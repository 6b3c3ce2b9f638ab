// Checks a state file that only its owner may read.
import { stat } from 'node:fs/promises';
import type { Role } from '../../config/role.ts';
import { MusterError, reasonOf } from '../../system/errors.ts';
import { type Finding, failed, isDenied, runAsRoot, warning } from './check.ts';

/** Returns findings when others may read the file, or when its owner is not the owner of the folder. */
export async function exposureFindings(
  path: string,
  folder: string,
  { mode, uid }: { mode: number; uid: number },
  role: Role = 'agent',
): Promise<Finding[]> {
  const findings: Finding[] = [];
  if (mode & 0o077) {
    findings.push(
      failed(`${path} can be read by others (mode ${(mode & 0o777).toString(8)})`, `chmod 600 ${path}`),
    );
  }
  const owner = (await stat(folder)).uid;
  if (uid !== owner) {
    const text = `${path} belongs to user ${uid}, and its folder to user ${owner}: the ${role} may not be able to read it`;
    findings.push(failed(text, `chown --no-dereference --reference=${folder} ${path}`));
  }
  return findings;
}

/** Returns the finding for a file that cannot be read or has wrong content. */
export function unreadableFinding(error: unknown, path: string): Finding {
  if (!(error instanceof MusterError)) throw error;
  if (isDenied(error)) return warning(`this user may not read ${path}`, runAsRoot);
  return failed(reasonOf(error), error.hint ?? 'see what the file contains');
}
