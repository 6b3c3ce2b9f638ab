// Finds out whether a NATS of one's own asks this requester whom to let in, and whether it does so safely. A stranger knocks
// at each server, and the server must ask about it.
import * as v from 'valibot';
import { type AccountKeys, accountId } from '../../protocol/account-keys.ts';
import {
  type CalloutQuestion,
  calloutSubject,
  nodesAccount,
  readCalloutQuestion,
} from '../../protocol/callout.ts';
import { ProtocolError } from '../../protocol/error.ts';
import { parseJson } from '../../protocol/json.ts';
import { validate } from '../../protocol/schema.ts';
import { isSealed } from '../../protocol/sealed-box.ts';
import { type Clock, endsWithin } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import type { Random } from '../../system/random.ts';
import type { KeyPair } from '../../transport/key-pair.ts';
import type { Knock, KnockOptions } from '../../transport/knock.ts';
import { BrokerError, type Connection, type Message, type Subscription } from '../../transport/port.ts';
import type { TlsFiles } from '../../transport/tls.ts';
import { endClient, listWaiting } from './broker-clients.ts';
import type { CalloutBox } from './callout-box.ts';

export interface NatsTrialOptions {
  connection: Connection;
  /** The setting `nats.servers`. */
  servers: readonly string[];
  tls: TlsFiles | undefined;
  box: CalloutBox;
  /** The key of a user of another account, about whom no server may ask. */
  bystander: KeyPair;
  /** What differs on a NATS with an operator; undefined on any other. */
  operatorMode?: OperatorMode | undefined;
  /** Returns a key that nobody knows. */
  newKey(): KeyPair;
  /** Connects once to a server to see whether it lets the client in. */
  knock(options: KnockOptions): Promise<Knock>;
  random: Random;
}

export interface OperatorMode {
  accounts: AccountKeys;
  /** The key by which the requester logs in, `U…`. */
  requesterKey: string;
  clock: Clock;
}

/** What protects the nodes on a NATS of one's own. In `shared` mode it is nothing; `keys` means that keys are checked. */
export type Trust = 'keys' | 'shared';

/** Time that a server has to ask about a stranger, in milliseconds. */
const askTimeoutMs = 4_000;

const userSchema = v.object({
  data: v.object({
    account: v.string(),
    permissions: v.optional(
      v.object({ subscribe: v.optional(v.object({ allow: v.optional(v.array(v.string()), []) })) }),
    ),
  }),
});

/** What came of the question about one knock. */
interface Asked {
  question: CalloutQuestion | undefined;
  isEncrypted: boolean;
}

export class NatsTrial {
  readonly #options: NatsTrialOptions;
  /** The knocks that wait for the question about them, by the name of their connection. */
  readonly #waiting = new Map<string, (asked: Asked) => void>();
  /** Resolves when the servers tell that a client has come. */
  #hasCome = Promise.withResolvers<void>();
  /** Number of questions that were not written for this requester. */
  #unreadable = 0;
  /** Whether a server has ever asked. After that, a server that says nothing is only slow. */
  #hasAsked = false;

  constructor(options: NatsTrialOptions) {
    this.#options = options;
  }

  /** Returns whether a question is about a knock of this trial. Nobody needs an answer to it. */
  isOwn = ({ offers }: CalloutQuestion): boolean => this.#waiting.has(offers.name);

  /**
   * Tries all servers that can be reached. @throws MusterError `bad_config` when they ask this requester, but not safely;
   * BrokerError when that cannot be found out now.
   */
  async run(): Promise<Trust> {
    const { connection, servers, operatorMode } = this.#options;
    const accounts = operatorMode?.accounts;
    const account = await this.#ownAccount();
    const expected = accountId(nodesAccount, accounts);
    // Such accounts were made for nothing but this, so anything else is a mistake.
    if (accounts && account !== expected) throw noOperator(account);
    if (account === undefined) return 'shared';
    this.#unreadable = 0;
    const subscriptions = this.#listen(expected);
    try {
      await connection.flush(askTimeoutMs);
      const found = await Promise.all(servers.map(server => this.#tryServer(server)));
      const faults = [...new Set(found.flatMap(({ faults }) => faults))];
      if (found.every(({ kind }) => kind === 'unreachable'))
        throw new BrokerError('disconnected', 'no server could be tried');
      if (found.every(({ kind }) => kind !== 'asks')) {
        if (accounts && faults.length === 0) faults.push(notAsked);
        if (faults.length > 0) throw unsafe(faults, accounts);
        return 'shared';
      }
      if (found.some(({ kind }) => kind === 'decides')) faults.push('some of its servers do not ask at all');
      if (account !== expected)
        faults.push(`the requester is in the account ${account} and not in ${nodesAccount}`);
      if (operatorMode && !(await endsWithin(operatorMode.clock, askTimeoutMs, this.#hasCome.promise)))
        faults.push(notHeard);
      if (faults.length > 0) throw unsafe(faults, accounts);
      return 'keys';
    } finally {
      for (const subscription of subscriptions) subscription.unsubscribe();
    }
  }

  // Servers with an operator take a client that waits for a client of the account, and so tell that it has come.
  #listen(account: string): Subscription[] {
    const { connection, operatorMode } = this.#options;
    const questions = connection.subscribe(calloutSubject, message => this.#receive(message));
    if (!operatorMode) return [questions];
    this.#hasCome = Promise.withResolvers<void>();
    const events = connection.subscribe(`$SYS.ACCOUNT.${account}.CONNECT`, () => this.#hasCome.resolve());
    return [questions, events];
  }

  // Returns the account of the requester; undefined for a user who may not hear everything there, and so no questions.
  async #ownAccount(): Promise<string | undefined> {
    try {
      const answer = await this.#options.connection.request('$SYS.REQ.USER.INFO', '', askTimeoutMs);
      const { account, permissions } = validate(userSchema, parseJson(answer.data)).data;
      const allowed = permissions?.subscribe?.allow ?? [];
      return allowed.length === 0 || allowed.includes('>') ? account : undefined;
    } catch (error) {
      const isUnknown = error instanceof BrokerError && /no_responders|not_permitted/.test(error.fault);
      if (isUnknown || error instanceof ProtocolError) return undefined;
      throw error;
    }
  }

  async #tryServer(url: string): Promise<{ kind: 'asks' | 'decides' | 'unreachable'; faults: string[] }> {
    const knocked = () =>
      this.#knock(url, this.#options.newKey(), { onAsked: place => this.#checkKick(place) });
    let stranger = await knocked();
    // A subscription takes a moment to reach the other servers of a cluster.
    if (!stranger.asked && stranger.outcome === 'silent') stranger = await knocked();
    if (!stranger.asked) {
      if (stranger.outcome === 'unreachable') return { kind: 'unreachable', faults: [] };
      if (stranger.outcome === 'silent' && this.#unreadable === 0 && this.#hasAsked) throw isSilent(url);
      const isForOther = stranger.outcome === 'silent' && this.#unreadable > 0;
      return { kind: 'decides', faults: isForOther ? [otherKey] : [] };
    }
    this.#hasAsked = true;
    const { asked, greeting, faults } = stranger;
    if (!asked.isEncrypted) faults.push('xkey is missing, so other servers on the way can read join codes');
    if (!asked.question?.nonce || !greeting?.hasNonce)
      faults.push('the servers send no nonce, because no user with an nkey is configured');
    if (greeting && asked.question && asked.question.server !== greeting.server)
      faults.push('somebody else than its servers asks');
    const { operatorMode } = this.#options;
    faults.push(...(operatorMode ? await this.#tryNobody(url, operatorMode) : await this.#tryBystander(url)));
    return { kind: 'asks', faults };
  }

  async #tryBystander(url: string): Promise<string[]> {
    const { asked, outcome } = await this.#knock(url, this.#options.bystander);
    if (asked) return ['allowed_accounts is missing, so the users of other accounts cannot log in any more'];
    if (outcome === 'silent') throw isSilent(url);
    return outcome === 'in' ? [] : ['the account MUSTER_BYSTANDER is missing or changed'];
  }

  // A client that names the key of the requester, and does not show it, is not asked about. It then has the rights of the user
  // that default_sentinel names.
  async #tryNobody(url: string, { requesterKey }: OperatorMode): Promise<string[]> {
    const pretender = { ...this.#options.newKey(), userKey: requesterKey };
    const { outcome, hasRights } = await this.#knock(url, pretender, { triesRights: true });
    if (outcome === 'silent') throw isSilent(url);
    return hasRights
      ? ['the user in default_sentinel may do something, and so may everybody who connects']
      : [];
  }

  // A knock that is asked about is ended by the requester, as it will end the connections of nodes.
  async #checkKick({ greeting }: Pick<Knock, 'greeting'>): Promise<string[]> {
    const { connection, operatorMode } = this.#options;
    if (!greeting) return [];
    try {
      await listWaiting(connection, operatorMode?.accounts);
      await endClient(connection, greeting);
      return [];
    } catch (error) {
      if (error instanceof BrokerError && error.fault === 'no_responders')
        return [
          'the requester may not list and end connections: the imports from the system account are missing',
        ];
      throw error;
    }
  }

  async #knock(
    url: string,
    key: KeyPair,
    {
      onAsked = async () => [],
      triesRights = false,
    }: { onAsked?: (knocked: Pick<Knock, 'greeting'>) => Promise<string[]>; triesRights?: boolean } = {},
  ): Promise<Knock & { asked: Asked | undefined; faults: string[] }> {
    const { random, tls, knock } = this.#options;
    const name = `muster-trial-${random.uuid()}`;
    const ending = new AbortController();
    const asking = Promise.withResolvers<Asked>();
    this.#waiting.set(name, asking.resolve);
    try {
      const knocking = knock({
        url,
        name,
        credentials: { key },
        tls,
        timeoutMs: askTimeoutMs,
        signal: ending.signal,
        triesRights,
      });
      const asked = await Promise.race([asking.promise, knocking.then(() => undefined)]);
      const greeting = asked?.question && { greeting: placeOf(asked.question) };
      const faults = greeting ? await onAsked(greeting) : [];
      ending.abort();
      return { ...(await knocking), asked, faults };
    } finally {
      this.#waiting.delete(name);
    }
  }

  #receive(message: Message): void {
    try {
      const isEncrypted = isSealed(message.data);
      const text = isEncrypted ? this.#options.box.open(message).text : message.data;
      const question = readCalloutQuestion(text);
      this.#waiting.get(question.offers.name)?.({ question, isEncrypted });
    } catch (error) {
      // Nobody can tell which knock this question is about. That knock then counts as one about which nobody asks.
      if (!(error instanceof ProtocolError)) throw error;
      this.#unreadable++;
    }
  }
}

const isSilent = (url: string) => new BrokerError('timeout', `${url} did not answer a client in time`);

const otherKey = 'xkey is not that of this requester';

const placeOf = ({ server, connection }: CalloutQuestion) => ({ server, connection, hasNonce: false });

const notAsked =
  'nobody asks about a client without a token, because default_sentinel is missing, or the account MUSTER has no authcallout';
const notHeard =
  'the requester does not hear who comes and goes: the imports from the system account are missing';

const noOperator = (account: string | undefined): MusterError =>
  new MusterError(
    'bad_config',
    `nats.accounts names accounts of a NATS with an operator, and the requester is in the account ${account ?? 'of somebody else'}`,
    { hint: 'on servers without an operator, leave nats.accounts away, and use: muster broker config' },
  );

const unsafe = (faults: readonly string[], accounts: AccountKeys | undefined): MusterError =>
  new MusterError(
    'bad_config',
    `the NATS in nats.servers asks whom to let in, but not as this requester needs it: ${faults.join('; ')}`,
    {
      hint: accounts
        ? 'run the script that this prints again, and do what it says at its end: muster broker config --operator-mode'
        : 'put what this prints into the configuration of each server, and start it again: muster broker config',
    },
  );
