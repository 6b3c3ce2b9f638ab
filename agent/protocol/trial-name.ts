// The names of the connections by which a requester tries out a NATS. All requesters of a roll have the key that signs such a
// name, so each knows the trials of the others.
import { sign } from 'node:crypto';
import { decodePublicKey } from './nkey.ts';
import { isSignedBy, type SigningKey } from './signed-token.ts';

const namePattern = /^muster-trial-([0-9a-f-]{36})-([A-Za-z0-9_-]{86})$/;

/** Returns the name for a trial. `id` is a random UUID, `key` the public key that the client shows. */
export function trialName(id: string, key: string, issuer: SigningKey): string {
  const signature = sign(null, signedText(id, key), issuer.privateKey);
  return `muster-trial-${id}-${signature.toString('base64url')}`;
}

/** Returns whether a requester with the key `issuer` has made this name for a client with this key. */
export function isTrialName(name: string, key: string, issuer: SigningKey): boolean {
  const [, id, signature] = namePattern.exec(name) ?? [];
  if (id === undefined || signature === undefined) return false;
  const signedBy = decodePublicKey(issuer.publicKey, 'account');
  return isSignedBy(signedBy, signedText(id, key), Buffer.from(signature, 'base64url'));
}

const signedText = (id: string, key: string): Buffer => Buffer.from(`muster-trial/v1\n${id}\n${key}`);
