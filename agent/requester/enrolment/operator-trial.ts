// Finds out whether a NATS with an operator has the accounts of muster as this requester needs them.
import { type AccountKeys, accountId } from '../../protocol/account-keys.ts';
import { nodesAccount, writeCalloutAnswer } from '../../protocol/callout.ts';
import type { SigningKey } from '../../protocol/signed-token.ts';
import { type Clock, endsWithin } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import type { KeyPair } from '../../transport/key-pair.ts';
import type { Connection, Subscription } from '../../transport/port.ts';
import { askTimeoutMs, isLost, isSilent, type TrialKnocks } from './trial-knocks.ts';

export interface OperatorTrialOptions {
  accounts: AccountKeys;
  /** The key that signs for the accounts. */
  issuer: SigningKey;
  /** The key by which the requester logs in, `U…`. */
  requesterKey: string;
  clock: Clock;
}

export class OperatorTrial {
  readonly #options: OperatorTrialOptions;
  /** Resolves when the servers tell that a client has come. */
  #hasCome = Promise.withResolvers<void>();

  constructor(options: OperatorTrialOptions) {
    this.#options = options;
  }

  get accounts(): AccountKeys {
    return this.#options.accounts;
  }

  /** Begins to hear who comes. Servers with an operator take a client that waits for a client of the account. */
  listen(connection: Pick<Connection, 'subscribe'>): Subscription {
    this.#hasCome = Promise.withResolvers<void>();
    const account = accountId(nodesAccount, this.accounts);
    return connection.subscribe(`$SYS.ACCOUNT.${account}.CONNECT`, () => this.#hasCome.resolve());
  }

  /** Returns what is wrong with what was heard after `listen`. */
  async checkEvents(): Promise<string[]> {
    const isHeard = await endsWithin(this.#options.clock, askTimeoutMs, this.#hasCome.promise);
    const fault =
      'the requester does not hear who comes and goes: the imports from the system account are missing';
    return isHeard ? [] : [fault];
  }

  /** Returns what is wrong with a server that asks. `newKey` returns a key that nobody knows. */
  async tryServer(url: string, knocks: TrialKnocks, newKey: () => KeyPair): Promise<string[]> {
    const names = [...this.accounts.keys.keys()];
    const found = await Promise.all([
      this.#tryNobody(url, knocks, newKey()),
      ...names.map(name => this.#tryAccount(name, url, knocks, newKey())),
    ]);
    return found.flat();
  }

  // A client that names the key of the requester, and does not show it, is not asked about. It then has the rights of the user
  // that default_sentinel names.
  async #tryNobody(url: string, knocks: TrialKnocks, stranger: KeyPair): Promise<string[]> {
    const pretender = { ...stranger, userKey: this.#options.requesterKey };
    const knocked = await knocks.knock(url, pretender, { triesRights: true });
    if (isLost(knocked)) throw isSilent(url);
    return knocked.hasRights
      ? ['the user in default_sentinel may do something, and so may everybody who connects']
      : [];
  }

  // An account that does not know the signing key, or to which the answers may let nobody in, would keep everybody out.
  async #tryAccount(account: string, url: string, knocks: TrialKnocks, stranger: KeyPair): Promise<string[]> {
    const { issuer, accounts } = this.#options;
    const permissions = { publish: [], subscribe: [], mayAnswer: false };
    const knocked = await knocks.knock(url, stranger, {
      answer: ({ question, answer }) =>
        answer(writeCalloutAnswer(question, { account, permissions }, issuer, accounts)),
    });
    if (!knocked.asked || isLost(knocked)) throw isSilent(url);
    if (knocked.outcome === 'in') return [];
    return [
      `the account ${account} lets nobody in whom this requester lets in: its signing key, or the key of the account among the allowed accounts, is missing`,
    ];
  }
}

/** The fault of a NATS that asks nobody. */
export const notAsked =
  'nobody is asked about a client without a token, because default_sentinel is missing, or the account MUSTER has no authcallout';

/** The error on servers where the requester is in another account than `nats.accounts` says. */
export const noOperator = (account: string | undefined): MusterError =>
  new MusterError(
    'bad_config',
    `nats.accounts names accounts of a NATS with an operator, and the requester is in the account ${account ?? 'of somebody else'}`,
    { hint: 'on servers without an operator, leave nats.accounts away, and use: muster broker config' },
  );
