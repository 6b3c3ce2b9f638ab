// Knocks at the servers of a NATS of one's own, and hears what they ask the requester about each knock.
import { type CalloutQuestion, readCalloutQuestion } from '../../protocol/callout.ts';
import { ProtocolError } from '../../protocol/error.ts';
import { isSealed } from '../../protocol/sealed-box.ts';
import type { SigningKey } from '../../protocol/signed-token.ts';
import { isTrialName, trialName } from '../../protocol/trial-name.ts';
import type { Random } from '../../system/random.ts';
import type { KeyPair } from '../../transport/key-pair.ts';
import type { Knock, KnockOptions } from '../../transport/knock.ts';
import { BrokerError, type Connection, type Message } from '../../transport/port.ts';
import type { TlsFiles } from '../../transport/tls.ts';
import type { CalloutBox } from './callout-box.ts';

export interface TrialKnocksOptions {
  connection: Pick<Connection, 'publish'>;
  tls: TlsFiles | undefined;
  box: CalloutBox;
  /** Connects once to a server to see whether it lets the client in. */
  knock(options: KnockOptions): Promise<Knock>;
  random: Random;
  /** The key that all requesters of the roll have. It signs the names of the knocks. */
  issuer: SigningKey;
}

/** The question about one knock. */
export interface Asked {
  question: CalloutQuestion;
  isEncrypted: boolean;
  /** Sends the answer. */
  answer(text: string): void;
}

/** What came of one knock. */
export interface Knocked extends Knock {
  /** The question about it; undefined when there was none. */
  asked: Asked | undefined;
}

/** What is done while the server waits for an answer. By default nothing, and then the knock is over. */
export interface DuringKnock {
  /** Answers; then the knock waits for what comes of it. */
  answer?(asked: Asked): void;
  /** Whether a client that is let in also tries what it may do. */
  triesRights?: boolean;
}

/** Time that a server has to ask about a stranger, in milliseconds. */
export const askTimeoutMs = 4_000;

export class TrialKnocks {
  readonly #options: TrialKnocksOptions;
  /** The knocks that wait for the question about them, by the name of their connection. */
  readonly #waiting = new Map<string, (asked: Asked) => void>();
  /** Number of questions that were not written for this requester. */
  unreadable = 0;

  constructor(options: TrialKnocksOptions) {
    this.#options = options;
  }

  /** Returns whether a question is about a knock of this requester, or of another one of the roll. */
  isKnock({ offers }: CalloutQuestion): boolean {
    return isTrialName(offers.name, offers.key, this.#options.issuer);
  }

  async knock(
    url: string,
    key: KeyPair,
    { answer, triesRights = false }: DuringKnock = {},
  ): Promise<Knocked> {
    const { random, tls, knock, issuer } = this.#options;
    const name = trialName(random.uuid(), key.userKey, issuer);
    const ending = new AbortController();
    const asking = Promise.withResolvers<Asked>();
    this.#waiting.set(name, asking.resolve);
    const credentials = { key };
    const { signal } = ending;
    try {
      const knocking = knock({ url, name, credentials, tls, timeoutMs: askTimeoutMs, signal, triesRights });
      const asked = await Promise.race([asking.promise, knocking.then(() => undefined)]);
      if (asked && answer) answer(asked);
      else ending.abort();
      return { ...(await knocking), asked };
    } finally {
      this.#waiting.delete(name);
    }
  }

  /** Takes a message on the subject on which servers ask. */
  receive(message: Message): void {
    try {
      const isEncrypted = isSealed(message.data);
      const opened = isEncrypted ? this.#options.box.open(message) : undefined;
      const question = readCalloutQuestion(opened?.text ?? message.data);
      const answer = (text: string) =>
        void this.#options.connection.publish(message.reply, opened?.seal(text) ?? text);
      this.#waiting.get(question.offers.name)?.({ question, isEncrypted, answer });
    } catch (error) {
      // Nobody can tell which knock this question is about. That knock then counts as one about which nobody asks.
      if (!(error instanceof ProtocolError)) throw error;
      this.unreadable++;
    }
  }
}

/** Returns whether a knock says nothing about a server that has asked already: it did not answer, or it stopped meanwhile. */
export const isLost = ({ outcome }: Pick<Knock, 'outcome'>): boolean =>
  outcome === 'silent' || outcome === 'unreachable';

export const isSilent = (url: string): BrokerError =>
  new BrokerError('timeout', `${url} did not answer a client in time`);
