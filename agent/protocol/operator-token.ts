// Defines the form of an operator's token, and the proof by which a requester shows that it knows the token.
import { createHmac } from 'node:crypto';

/** The name of an operator. It is a part of the token and of a key in the store. */
export const operatorNamePattern = /^[A-Za-z0-9_-]{1,64}$/;

/** The operator whose token the requester makes for its own machine: whoever may read its file. */
export const firstOperator = 'local';

const furtherPrefix = `${firstOperator}-`;
/** Returns the operator whose token a further requester makes for its own machine. */
export const firstOperatorOf = (requesterId: string): string => `${furtherPrefix}${requesterId}`;
/** Returns whether a requester makes the token of this operator for its own machine. */
export const isFirstOperator = (name: string): boolean =>
  name === firstOperator || name.startsWith(furtherPrefix);

/** Number of random bytes in a token. */
export const operatorSecretBytes = 32;

// The secret has a fixed length, so a name may have an underscore too.
const tokenPattern = /^mop_([A-Za-z0-9_-]{1,64})_[A-Za-z0-9_-]{43}$/;

/** Returns the token of the operator `name`. `secret` is 32 random bytes. */
export const operatorToken = (name: string, secret: Uint8Array): string =>
  `mop_${name}_${Buffer.from(secret).toString('base64url')}`;

/** Returns the name of the operator in a token; undefined for a text that is no token. */
export const operatorOf = (token: string): string | undefined => tokenPattern.exec(token)?.[1];

/** The random text that a client sends with its question for a proof, in base64url. */
export const noncePattern = /^[A-Za-z0-9_-]{22,86}$/;

/**
 * Returns the proof that somebody knows the hash of a token. `place` is the address and port of the connection on the
 * requester's side. A program that passes the question on to the real requester has another place, so its proof is wrong.
 */
export const proofOf = (tokenHash: Uint8Array, nonce: string, place: string): Buffer =>
  createHmac('sha256', tokenHash).update(`operator-proof/v1\n${nonce}\n${place}`).digest();

/** Returns an address and port in one spelling. An IPv4 address of a socket for both families begins with `::ffff:`. */
export const placeOf = (address: string | undefined, port: number | undefined): string =>
  `${(address ?? '').toLowerCase().replace(/^::ffff:(?=\d+\.)/, '')} ${port ?? 0}`;
