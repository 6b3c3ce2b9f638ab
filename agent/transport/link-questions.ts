// Asks on the present link and waits for the answers. What waits fails at once when that link is lost.
import type { NatsConnection as Link, Msg, RequestOptions } from 'nats';
import { createInbox } from 'nats';
import type { Clock } from '../system/clock.ts';
import { errnoOf, reasonOf } from '../system/errors.ts';
import { isSubject } from './client-message.ts';
import { BrokerError, type BrokerFault, type GatherWait, type Subscription } from './port.ts';

export interface LinkQuestionsOptions {
  /** Returns the link to the broker; undefined while not connected. */
  link(): Link | undefined;
  /** Calls `fn` with each new link, and with undefined when the link is lost. */
  onLink(fn: (link: Link | undefined) => void): Subscription;
  /** Returns an error that says why there is no link. */
  disconnectedError(): BrokerError;
  /** Returns the beginning of the subjects of answers as it is now; undefined for the usual one. */
  inboxPrefix(): string | undefined;
  clock: Clock;
  /** Called before somebody waits for an answer. */
  hurry(): void;
}

export class LinkQuestions {
  readonly #options: LinkQuestionsOptions;

  constructor(options: LinkQuestionsOptions) {
    this.#options = options;
  }

  /** Sends a request and returns the first answer. @throws BrokerError */
  async ask(subject: string, data: Uint8Array | string, options: RequestOptions): Promise<Msg> {
    const { disconnectedError } = this.#options;
    const link = this.#options.link();
    if (!link) throw disconnectedError();
    if (!isSubject(subject)) throw new BrokerError('refused', 'the subject is empty or holds blanks');
    this.#options.hurry();
    try {
      return await link.request(subject, data, options);
    } catch (error) {
      throw explainRequestFailure(error, link, subject, options.timeout);
    }
  }

  /** Sends a request that several may answer; see `Connection.gather`. @throws BrokerError */
  gather(
    subject: string,
    data: Uint8Array | string,
    wait: GatherWait,
    onAnswer: (message: Msg) => boolean,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const { clock, onLink, disconnectedError, inboxPrefix } = this.#options;
      const link = this.#options.link();
      if (!link) return reject(disconnectedError());
      this.#options.hurry();
      const inbox = createInbox(inboxPrefix());
      const settle = (error?: BrokerError) => {
        timer.cancel();
        lost.unsubscribe();
        subscription.unsubscribe();
        if (error) reject(error);
        else resolve();
      };
      let timer = clock.after(wait.firstMs, () =>
        settle(new BrokerError('timeout', `no answer on ${subject} within ${wait.firstMs} ms`)),
      );
      // Who asks as soon as the link is there is still told of that link itself.
      const lost = onLink(now => {
        if (now !== link) settle(disconnectedError());
      });
      const callback = (error: Error | null, message: Msg) => {
        if (error ?? message.headers?.code === 503)
          return settle(new BrokerError('no_responders', `nobody listens on ${subject}`));
        try {
          if (onAnswer(message)) return settle();
          timer.cancel();
          timer = clock.after(wait.nextMs, settle);
        } catch (cause) {
          settle(new BrokerError('refused', `an answer on ${subject} cannot be read`, { cause }));
        }
      };
      const subscription = link.subscribe(inbox, { callback });
      link.publish(subject, data, { reply: inbox });
    });
  }

  /** Resolves when the broker has answered a ping; see `Connection.flush`. @throws BrokerError */
  flush(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const { clock, onLink, disconnectedError } = this.#options;
      const link = this.#options.link();
      if (!link) return reject(disconnectedError());
      this.#options.hurry();
      const finish = (error?: BrokerError) => {
        timer.cancel();
        linkListener.unsubscribe();
        if (error) reject(error);
        else resolve();
      };
      const timer = clock.after(timeoutMs, () =>
        finish(new BrokerError('timeout', `the broker did not answer a ping within ${timeoutMs} ms`)),
      );
      const linkListener = onLink(() => finish(disconnectedError()));
      link.flush().then(
        () => finish(),
        () => finish(disconnectedError()),
      );
    });
  }
}

function explainRequestFailure(error: unknown, link: Link, subject: string, timeoutMs: number): BrokerError {
  const [fault, message]: [BrokerFault, string] = link.isClosed()
    ? ['disconnected', `the broker was lost before it answered on ${subject}`]
    : errnoOf(error) === '503'
      ? ['no_responders', `nobody listens on ${subject}`]
      : errnoOf(error) === 'TIMEOUT'
        ? ['timeout', `no answer on ${subject} within ${timeoutMs} ms`]
        : errnoOf(error) === 'PERMISSIONS_VIOLATION'
          ? ['not_permitted', `the broker does not let us ask on ${subject}`]
          : ['refused', `the broker refused a request on ${subject}: ${reasonOf(error)}`];
  return new BrokerError(fault, message, { cause: error });
}
