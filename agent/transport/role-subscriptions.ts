// The subscriptions of a role, which are made again on each new link.
import type { NatsConnection as Link, Subscription as LinkSubscription, Msg } from 'nats';
import type { LimitedLog } from '../system/limited-log.ts';
import type { Message, MessageSubscription } from './port.ts';

interface RoleSubscription {
  subject: string;
  handler: (message: Message) => void;
  /** The queue group, of whose members one gets each message; undefined for none. */
  queue: string | undefined;
  /** The subscription on the present link. */
  onLink: LinkSubscription | undefined;
}

export class RoleSubscriptions {
  readonly #all = new Set<RoleSubscription>();
  readonly #toMessage: (message: Msg) => Message;
  readonly #limitedLog: LimitedLog;

  constructor(toMessage: (message: Msg) => Message, limitedLog: LimitedLog) {
    this.#toMessage = toMessage;
    this.#limitedLog = limitedLog;
  }

  /** Adds a subscription, and makes it on the present link, if there is one. */
  add(
    { subject, handler, queue }: Omit<RoleSubscription, 'onLink'>,
    link: Link | undefined,
  ): MessageSubscription {
    const subscription: RoleSubscription = { subject, handler, queue, onLink: undefined };
    this.#all.add(subscription);
    if (link) this.#subscribeOn(link, subscription);
    return {
      unsubscribe: () => {
        this.#all.delete(subscription);
        subscription.onLink?.unsubscribe();
      },
      finish: async () => {
        this.#all.delete(subscription);
        const { onLink } = subscription;
        // It fails when the link or the subscription has ended: then nothing can come. On a link that is lost meanwhile it waits
        // for ever, but the subscription ends.
        onLink?.drain().catch(() => undefined);
        await onLink?.closed;
      },
    };
  }

  /** Makes all subscriptions on a new link. */
  makeOn(link: Link): void {
    for (const subscription of this.#all) this.#subscribeOn(link, subscription);
  }

  clear(): void {
    this.#all.clear();
  }

  #subscribeOn(link: Link, subscription: RoleSubscription): void {
    const { subject, handler, queue } = subscription;
    const callback = (error: Error | null, message: Msg) => {
      // The error of a denied permission also arrives here. It is logged elsewhere, from the status of the link.
      if (error) return;
      try {
        handler(this.#toMessage(message));
      } catch (err) {
        // If the error reached the client, the client would stop reading, and the link would end.
        this.#limitedLog.warn(
          `handler ${subject}`,
          { subject: message.subject, err },
          'a message could not be handled',
        );
      }
    };
    subscription.onLink = link.subscribe(subject, { callback, ...(queue === undefined ? {} : { queue }) });
  }
}
