// Lets in the nodes of Bacalhau, which have no keys of ours, by a token: nobody knows which of them speaks, so they have an
// account of their own, from which only their requests and heartbeats reach the requester.
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { CalloutAnswer, CalloutQuestion } from '../../protocol/callout.ts';
import { hashOf, unverifiedAccount } from '../../protocol/callout.ts';
import { heartbeatWildcard } from '../../protocol/subjects.ts';
import { MusterError } from '../../system/errors.ts';
import { closeToOthers, writeFileAtomic } from '../../system/files.ts';
import { readOwnFile } from '../../system/read-file.ts';
import { rememberSecret } from '../../system/secrets.ts';

/** The file of the token in the requester's folder. */
export const unverifiedTokenFile = 'bacalhau.token';

/**
 * Reads the token, or makes one when there is none: 32 random bytes as base64url. @throws MusterError `bad_state` for a file
 * that holds something else, `not_writable`.
 */
export async function loadUnverifiedToken(path: string): Promise<string> {
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

/** Returns the answer for a client that shows the token; undefined for any other client. */
export function admitUnverified(
  token: string,
  { offers, isPlain }: CalloutQuestion,
  heartbeatTopic: string,
): CalloutAnswer | undefined {
  if (!isPlain || !timingSafeEqual(hashOf(token), hashOf(offers.token))) return undefined;
  return {
    account: unverifiedAccount,
    permissions: {
      publish: ['node.management.>', heartbeatWildcard(heartbeatTopic)],
      subscribe: ['_INBOX.>', 'node.compute.>'],
      mayAnswer: true,
    },
  };
}
