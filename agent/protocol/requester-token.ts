// Writes the token with which the requester logs in to a NATS with an operator.
import { type AccountKeys, accountId } from './account-keys.ts';
import { nodesAccount } from './callout.ts';
import { type SigningKey, writeSignedToken } from './signed-token.ts';

/** Returns the token of the user with the key `user`, `U…`, who may do everything in its account. It has no end. */
export const writeRequesterToken = (user: string, accounts: AccountKeys, signer: SigningKey): string =>
  writeSignedToken(
    {
      sub: user,
      name: 'requester',
      nats: {
        type: 'user',
        version: 2,
        issuer_account: accountId(nodesAccount, accounts),
        pub: {},
        sub: {},
        subs: -1,
        data: -1,
        payload: -1,
      },
    },
    signer,
  );
