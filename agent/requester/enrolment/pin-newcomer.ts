// Pins the key of a newcomer, and counts the use of its join code: exactly, also while other requesters let nodes in.
import { BrokerError } from '../../transport/port.ts';
import { wasChanged } from '../cluster/record-conflict.ts';
import type { CodeClaims } from './code-claims.ts';
import type { JoinCodes } from './join-codes.ts';
import type { Pin, Pins } from './pins.ts';

export interface PinNewcomerOptions {
  pins: Pick<Pins, 'add' | 'addAmongOthers' | 'revisionToAdd'>;
  joinCodes: Pick<JoinCodes, 'hold' | 'recordOf'>;
  claims: Pick<CodeClaims, 'claim' | 'giveBack'>;
  /** Returns whether other requesters act on the same store. */
  hasPeers(): boolean;
}

/**
 * Pins a key to a node that has none. The caller has checked the code of the pin in the same turn of the event loop. @throws
 * BrokerError when the store does not answer: then the key may be pinned; MusterError `conflict` when another requester was
 * first
 */
export async function pinNewcomer(node: string, pin: Pin, options: PinNewcomerOptions): Promise<void> {
  const { pins, joinCodes, hasPeers } = options;
  const { code } = pin;
  const claimed = code !== undefined && (joinCodes.recordOf(code)?.claims?.length ?? 0) > 0;
  if (hasPeers() || claimed) return pinAmongOthers(node, pin, options);
  // The use is held in the turn in which the code was checked, so nobody else takes the last one meanwhile.
  const release = code === undefined ? undefined : joinCodes.hold(code);
  try {
    await pins.add(node, pin);
  } finally {
    release?.();
  }
}

// The revision is read before the use is claimed: who takes the claim back later makes a write at this revision fail.
async function pinAmongOthers(node: string, pin: Pin, { pins, claims }: PinNewcomerOptions): Promise<void> {
  const { code, key } = pin;
  const revision = await pins.revisionToAdd(node);
  if (code !== undefined) await claims.claim(code, { key, node });
  try {
    await pins.addAmongOthers(node, pin, revision);
  } catch (error) {
    // Without an answer the pin may stand. The node comes again, and uses its claim.
    if (code !== undefined && wasChanged(error))
      await claims.giveBack(code, { key, node }).catch(ignoreSilentStore);
    throw error;
  }
}

// A claim that is not given back is taken back after a while.
function ignoreSilentStore(error: unknown): void {
  if (!(error instanceof BrokerError) && !wasChanged(error)) throw error;
}
