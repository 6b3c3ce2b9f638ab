// The accounts of muster on a NATS with an operator, which knows each account by a key and not by its name.

export interface AccountKeys {
  /** The key of each account, `A…`, by its name. */
  readonly keys: ReadonlyMap<string, string>;
  /**
   * The key that signs for all of them, `A…`. Only the requester has it, so the servers list it with whoever the requester let
   * in, and with nobody else.
   */
  readonly signer: string;
}

/** Returns how the servers know an account: by its key if they have an operator, otherwise by its name. */
export const accountId = (name: string, accounts: AccountKeys | undefined): string =>
  accounts?.keys.get(name) ?? name;
