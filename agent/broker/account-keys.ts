// Returns the keys of muster's accounts that the settings name for a NATS with an operator.
import type { Settings } from '../config/settings.ts';
import type { AccountKeys } from '../protocol/account-keys.ts';
import { listenersAccount, liveAccount, nodesAccount, unverifiedAccount } from '../protocol/callout.ts';
import type { KeyPair } from '../transport/key-pair.ts';

/** Returns undefined when the settings name none. `issuer` signs for all of them. */
export function accountKeys(
  { muster, listen, listenLive, unverified }: Settings['nats']['accounts'],
  issuer: Pick<KeyPair, 'publicKey'>,
): AccountKeys | undefined {
  if (muster === undefined || listen === undefined || listenLive === undefined) return undefined;
  const keys = new Map([
    [nodesAccount, muster],
    [listenersAccount, listen],
    [liveAccount, listenLive],
  ]);
  if (unverified !== undefined) keys.set(unverifiedAccount, unverified);
  return { keys, signer: issuer.publicKey };
}
