// Reads and writes the file of the first token, and compares it with what the store has.
import { operatorOf } from '../../protocol/operator-token.ts';
import { hashToken, isSame } from '../../protocol/secret-hash.ts';
import { reasonOf } from '../../system/errors.ts';
import { writeFileAtomic } from '../../system/files.ts';
import { readOwnFile } from '../../system/read-file.ts';
import { rememberSecret } from '../../system/secrets.ts';
import type { OperatorRecord } from './operator-record.ts';

/** Where the first token is kept. */
export interface FirstTokenFile {
  readonly path: string;
  /**
   * Returns the token in the file; undefined when there is no file. Throws MusterError when the file cannot be read, is a
   * link, or may be read by others.
   */
  read(): Promise<string | undefined>;
  /** Writes a new token. Throws MusterError `not_writable`. */
  write(token: string): Promise<void>;
}

/** Returns the file at `path`. */
export function firstTokenFile(path: string): FirstTokenFile {
  return {
    path,
    async read() {
      const kept = await readOwnFile(path, 1024);
      if (!kept) return undefined;
      const token = kept.data.toString('utf8').trim();
      rememberSecret(token);
      if (kept.info.mode & 0o077) throw new Error('others may read it');
      return token;
    },
    write: token => writeFileAtomic(path, `${token}\n`),
  };
}

/**
 * Returns why the file does not have the token of the operator `name`; undefined when it has it. `record` is what the store
 * has of that operator.
 */
export async function whyNotFirstToken(
  file: FirstTokenFile,
  name: string,
  record: OperatorRecord | undefined,
): Promise<string | undefined> {
  let token: string | undefined;
  try {
    token = await file.read();
  } catch (error) {
    return reasonOf(error);
  }
  if (token === undefined) return 'there is no file';
  if (!record) return 'the store does not know it';
  const isRight =
    operatorOf(token) === name && isSame(hashToken(token), Buffer.from(record.hash, 'base64url'));
  return isRight ? undefined : 'it has another token than the store';
}
