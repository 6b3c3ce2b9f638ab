// An applicant is a client of the broker that shows a key and names its node.
import type { CalloutQuestion } from '../../protocol/callout.ts';
import { type ConnectionName, readConnectionName } from '../../protocol/connection-name.ts';
import { decodePublicKey } from '../../protocol/nkey.ts';
import { isSignedBy } from '../../protocol/signed-token.ts';
import { type KeyUse, type LiveConnection, nodeKeyOf } from './live-connection.ts';

export interface Applicant {
  key: string;
  name: ConnectionName;
  question: CalloutQuestion;
}

const noncePattern = /^[\w-]{11,64}$/;

/** Returns the applicant that asks, whose signature is not checked yet; undefined for any other client. */
export function readApplicant(question: CalloutQuestion): Applicant | undefined {
  const { nonce, isPlain, offers } = question;
  const name = readConnectionName(offers.name);
  const key = nodeKeyOf(offers.key);
  if (!isPlain || !name || !key || !noncePattern.test(nonce)) return undefined;
  // An agent shows its key as that of a user. Only a program beside it has a plain client, which shows it as the file has it.
  const isShownAsUser = offers.key.startsWith('U');
  return isShownAsUser || name.intent === 'work' ? { key, name, question } : undefined;
}

/** Returns whether the applicant has signed its server's random text with the key that it shows. */
export function hasSigned({ key, question: { nonce, offers } }: Applicant): boolean {
  const signature = Buffer.from(offers.signature, 'base64url');
  return isSignedBy(decodePublicKey(key), Buffer.from(nonce), signature);
}

/** Returns the connection that an applicant has when it is let in. */
export const connectionOf = ({ name, question }: Applicant, use: KeyUse, mark: string): LiveConnection => ({
  server: question.server,
  connection: question.connection,
  node: name.node,
  instance: name.instance,
  host: question.host,
  hostname: name.host,
  use,
  mark,
});
