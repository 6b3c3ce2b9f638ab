// Finds out whether a NATS of one's own asks this requester whom to let in, and whether it does so safely. A stranger knocks
// at each server, and the server must ask about it.
import * as v from 'valibot';
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
import { MusterError } from '../../system/errors.ts';
import type { Random } from '../../system/random.ts';
import type { KeyPair } from '../../transport/key-pair.ts';
import type { Knock, KnockOptions } from '../../transport/knock.ts';
import { BrokerError, type Connection, type Message } from '../../transport/port.ts';
import type { TlsFiles } from '../../transport/tls.ts';
import { endClient, listClients, nobodysAccount } from './broker-clients.ts';
import type { CalloutBox } from './callout-box.ts';

export interface NatsTrialOptions {
  connection: Connection;
  /** The setting `nats.servers`. */
  servers: readonly string[];
  tls: TlsFiles | undefined;
  box: CalloutBox;
  /** The key of a user of another account, about whom no server may ask. */
  bystander: KeyPair;
  /** Returns a key that nobody knows. */
  newKey(): KeyPair;
  /** Connects once to a server to see whether it lets the client in. */
  knock(options: KnockOptions): Promise<Knock>;
  random: Random;
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

  /** Number of questions that were not written for this requester. */
  #unreadable = 0;
  /** Whether a server has ever asked. From then on, one that says nothing is only slow. */
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
    const { connection, servers } = this.#options;
    const account = await this.#ownAccount();
    if (account === undefined) return 'shared';
    this.#unreadable = 0;
    const subscription = connection.subscribe(calloutSubject, message => this.#receive(message));
    try {
      await connection.flush(askTimeoutMs);
      const found = await Promise.all(servers.map(server => this.#tryServer(server)));
      const faults = [...new Set(found.flatMap(({ faults }) => faults))];
      if (found.every(({ kind }) => kind === 'unreachable'))
        throw new BrokerError('disconnected', 'no server could be tried');
      if (found.every(({ kind }) => kind !== 'asks')) {
        if (faults.length > 0) throw unsafe(faults);
        return 'shared';
      }
      if (found.some(({ kind }) => kind === 'decides')) faults.push('some of its servers do not ask at all');
      if (account !== nodesAccount)
        faults.push(`the requester is in the account ${account} and not in ${nodesAccount}`);
      if (faults.length > 0) throw unsafe(faults);
      return 'keys';
    } finally {
      subscription.unsubscribe();
    }
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
    const knocked = () => this.#knock(url, this.#options.newKey(), place => this.#checkKick(place));
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
    const bystander = await this.#knock(url, this.#options.bystander);
    if (bystander.asked)
      faults.push(`allowed_accounts is missing, so the users of other accounts cannot log in any more`);
    else if (bystander.outcome === 'silent') throw isSilent(url);
    else if (bystander.outcome !== 'in') faults.push('the account MUSTER_BYSTANDER is missing or changed');
    return { kind: 'asks', faults };
  }

  // A knock that is asked about is ended by the requester, as it will end the connections of nodes.
  async #checkKick({ greeting }: Pick<Knock, 'greeting'>): Promise<string[]> {
    const { connection } = this.#options;
    if (!greeting) return [];
    try {
      await listClients(connection, nobodysAccount);
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
    onAsked: (knocked: Pick<Knock, 'greeting'>) => Promise<string[]> = async () => [],
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
      // Nobody can tell about whom it is. Then the knock is not answered, which says enough.
      if (!(error instanceof ProtocolError)) throw error;
      this.#unreadable++;
    }
  }
}

const isSilent = (url: string) => new BrokerError('timeout', `${url} did not answer a client in time`);

const otherKey = 'xkey is not that of this requester';

const placeOf = ({ server, connection }: CalloutQuestion) => ({ server, connection, hasNonce: false });

const unsafe = (faults: readonly string[]): MusterError =>
  new MusterError(
    'bad_config',
    `the NATS in nats.servers asks whom to let in, but not as this requester needs it: ${faults.join('; ')}`,
    {
      hint: 'put what this prints into the configuration of each server, and start it again: muster broker config',
    },
  );
