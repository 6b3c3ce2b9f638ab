// Reads the file of the token by which nodes without a key come in, and makes the token when there is none.
import { randomBytes } from 'node:crypto';
import { MusterError } from '../../system/errors.ts';
import { closeToOthers, writeFileAtomic } from '../../system/files.ts';
import { readOwnFile } from '../../system/read-file.ts';
import { rememberSecret } from '../../system/secrets.ts';

/** The file in the requester's folder with the token of Bacalhau's nodes. */
export const tokenFiles = { unverified: 'bacalhau.token' } as const;

/**
 * Returns the token in the file, or a new one: 32 random bytes as base64url. @throws MusterError `bad_state` for a file
 * that holds something else, `not_writable`.
 */
export async function loadTokenFile(path: string): Promise<string> {
  const kept = await readOwnFile(path, 1024);
  const token = kept?.data.toString('utf8').trim() ?? randomBytes(32).toString('base64url');
  rememberSecret(token);
  if (!kept) await writeFileAtomic(path, `${token}\n`);
  else if (kept.info.mode & 0o077) await closeToOthers(path);
  if (!/^[\x21-\x7e]{16,512}$/.test(token))
    throw new MusterError('bad_state', `${path} does not contain a token`, {
      hint: 'write 16 to 512 printable characters without spaces into it, or remove it to have a new one made',
    });
  return token;
}
