// Hashes secrets and compares the hashes, so that the time of a comparison tells nothing about a secret.
import { hash, timingSafeEqual } from 'node:crypto';

/** Returns SHA-256 of a random token. The store keeps only this, which nobody can turn back. */
export const hashToken = (token: string): Buffer => hash('sha256', token, 'buffer');

/** Returns whether two hashes or proofs are equal. The time that it takes says nothing about them. */
export const isSame = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && timingSafeEqual(one, other);
