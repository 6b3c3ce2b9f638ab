// Receives the broker's questions whether to let a client in, and sends the answers of the gatekeeper.
import type { AccountKeys } from '../../protocol/account-keys.ts';
import {
  type CalloutAnswer,
  type CalloutQuestion,
  calloutSubject,
  readCalloutQuestion,
  writeCalloutAnswer,
} from '../../protocol/callout.ts';
import { ProtocolError } from '../../protocol/error.ts';
import type { SigningKey } from '../../protocol/signed-token.ts';
import { requestersQueue } from '../../protocol/subjects.ts';
import { type Clock, sleep } from '../../system/clock.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { WorkInProgress } from '../../system/work-in-progress.ts';
import type { Connection, Message, MessageSubscription } from '../../transport/port.ts';
import type { BrokerServers } from './broker-servers.ts';
import type { CalloutBox, OpenedQuestion } from './callout-box.ts';

export interface CalloutOptions {
  connection: Connection;
  issuer: SigningKey;
  /** The accounts on a NATS with an operator. */
  accounts?: AccountKeys | undefined;
  clock: Clock;
  log: Log;
  /** What a NATS of one's own needs besides; absent for the requester's own broker, which only the requester speaks to. */
  own?: OwnNatsGuard | undefined;
}

/** Keeps questions from other servers on the way secret, and lets nobody forge one. */
export interface OwnNatsGuard {
  box: CalloutBox;
  servers: Pick<BrokerServers, 'has'>;
  /** Returns whether a question is about the trial of a requester of this roll, which answers it by itself. */
  isTrial(question: CalloutQuestion): boolean;
}

/** Decides about a client. Returns undefined for a stranger, who gets no answer. */
export type Decide = (question: CalloutQuestion) => Promise<CalloutAnswer | undefined>;

/** The subjects on which a server awaits the answer. Nobody else may make the requester publish there. */
const replyPattern = /^\$SYS\._INBOX\.[A-Za-z0-9.]{1,128}$/;
/** Number of questions that wait while the requester starts, and time for which an answer is of use, in milliseconds. */
const maxWaiting = 20_000;
const usefulMs = 9_000;
/** Number of waiting questions that are answered before other work has its turn. */
const atOnce = 100;

/**
 * Answers the broker. It listens before the requester is ready, because a question that nobody hears keeps a node out for
 * ten seconds: the questions wait until `begin`.
 */
export class Callout {
  readonly #options: CalloutOptions;
  readonly #limited: LimitedLog;
  readonly #subscription: MessageSubscription;
  readonly #answering = new WorkInProgress();
  #waiting: { message: Message; at: number }[] = [];
  #decide: Decide | undefined;

  constructor(options: CalloutOptions) {
    this.#options = options;
    this.#limited = limitedLog(options.log, options.clock);
    this.#subscription = options.connection.subscribe(
      calloutSubject,
      message => this.#receive(message),
      requestersQueue,
    );
  }

  /** Answers the questions that wait, and from now on each one when it comes. */
  begin(decide: Decide): void {
    this.#decide = decide;
    this.#answering.add(this.#answerWaiting());
  }

  /** Lets the questions wait again. */
  pause(): void {
    this.#decide = undefined;
  }

  /** Takes no further questions, and resolves when those are answered that the broker asked before and that can be answered now. */
  async finish(): Promise<void> {
    await this.#subscription.finish();
    await this.#answering.ended();
  }

  stop(): void {
    this.#subscription.unsubscribe();
    this.#waiting = [];
  }

  #receive(message: Message): void {
    if (!replyPattern.test(message.reply)) return;
    // A later question of a client must not be answered before an earlier one.
    if (this.#decide && this.#waiting.length === 0) {
      this.#answering.add(this.#answer(message, this.#decide));
      return;
    }
    const now = this.#options.clock.monotonic();
    this.#waiting.push({ message, at: now });
    // Half of them go at once, the oldest, so that a flood of questions costs little.
    if (this.#waiting.length > maxWaiting)
      this.#waiting = this.#waiting.slice(maxWaiting / 2).filter(({ at }) => now - at < usefulMs);
  }

  async #answerWaiting(): Promise<void> {
    const { clock } = this.#options;
    while (this.#decide && this.#waiting.length > 0) {
      const decide = this.#decide;
      const now = clock.monotonic();
      for (const { message, at } of this.#waiting.splice(0, atOnce))
        if (now - at < usefulMs) this.#answering.add(this.#answer(message, decide));
      await sleep(clock, 0);
    }
  }

  async #answer(message: Message, decide: Decide): Promise<void> {
    const { connection, issuer, accounts, own } = this.#options;
    try {
      const opened = own?.box.open(message);
      const question = readCalloutQuestion(opened?.text ?? message.data);
      if (own?.isTrial(question)) return;
      if (own && opened && !(await isGenuine(question, opened, own))) {
        const fields = { server: question.server };
        return this.#limited.warn('forged', fields, 'a question of no server of this NATS is not answered');
      }
      const decision = await decide(question);
      if (!decision) return;
      const answer = writeCalloutAnswer(question, decision, issuer, accounts);
      connection.publish(message.reply, opened ? opened.seal(answer) : answer);
    } catch (err) {
      const isUnreadable = err instanceof ProtocolError;
      const text = isUnreadable
        ? 'a question of the broker cannot be read'
        : 'a client could not be decided about';
      this.#limited.warn(isUnreadable ? 'unreadable' : 'failed', { err }, text);
    }
  }
}

// Anybody can make a key and sign a question by it, so the server must be one that the NATS itself lists.
async function isGenuine(
  { server, serverKey }: CalloutQuestion,
  opened: OpenedQuestion,
  { servers }: OwnNatsGuard,
): Promise<boolean> {
  return serverKey === opened.serverKey && (await servers.has(server));
}
