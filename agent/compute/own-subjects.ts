// Listens on the subjects that are addressed to this node. The broker denies them to a key that it refuses.
import { aliveSubject, eventWildcard } from '../protocol/subjects.ts';
import type { Connection, Message, Subscription } from '../transport/port.ts';

export interface OwnSubjectsOptions {
  node: string;
  /** The random value of this process. */
  instance: string;
  /** Whether the key of the node opens its connections, and not other credentials. */
  connectsByKey: boolean;
  connection: Pick<Connection, 'subscribe'>;
}

/**
 * The events that follow from an operator's decision. The other events follow from what this node did, so it knows them.
 */
const decisionEvent = /\.(approved|rejected|deleted|cordoned|uncordoned|drained)$/;

export class OwnSubjects {
  readonly #options: OwnSubjectsOptions;
  #subscriptions: Subscription[] = [];
  /** Called for each event of a decision about this node. The agent sets it. */
  onDecision: () => void = () => undefined;

  constructor(options: OwnSubjectsOptions) {
    this.#options = options;
  }

  /** Begins to listen, unless it does already. */
  listen(): void {
    if (this.#subscriptions.length > 0) return;
    const { node, instance, connectsByKey, connection } = this.#options;
    // Anybody may publish an event, so an event is only a reason to ask the requester.
    const onEvent = ({ subject }: Message) => {
      if (decisionEvent.test(subject)) this.onDecision();
    };
    // A requester asks this when another process shows the same key. Other credentials may not permit the subject.
    const onAliveQuestion = (message: Message) => void message.respond(instance);
    this.#subscriptions = [
      connection.subscribe(eventWildcard(node), onEvent),
      ...(connectsByKey ? [connection.subscribe(aliveSubject(node), onAliveQuestion)] : []),
    ];
  }

  stop(): void {
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
  }
}
