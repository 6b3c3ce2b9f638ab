// Keeps why keys were refused, and answers the keys that ask (`muster.why.<key>`).
import type { Refusal } from '../../protocol/refusal.ts';
import { inboxPrefix, whySubject } from '../../protocol/subjects.ts';
import type { Clock, Timer } from '../../system/clock.ts';
import type { Connection, Message, Subscription } from '../../transport/port.ts';
import type { KeyUse } from './live-connection.ts';

/** Number of refused keys that are remembered. The one that was refused longest ago is forgotten first. */
const maxRemembered = 10_000;
/** Time for which an operator may take a key that was refused, in milliseconds. */
const offeredMs = 3_600_000;

/** Time that another requester has to answer what this one does not know, in milliseconds. */
const othersTurnMs = 1_000;
/** Number of questions that wait for another requester. */
const maxWaiting = 1_000;

/** Who was refused. The client itself says all of it but its address. */
export interface RefusedApplicant {
  /** The id that it wanted. */
  node: string;
  /** The address of its machine, and the name that the machine gives itself. */
  host: string;
  hostname?: string | undefined;
  /** What it wanted to do with the key. */
  use: KeyUse;
  /** The random value of its process. */
  instance: string;
  /** The broker's server, and the number of the connection there. */
  server: string;
  connection: number;
}

/** A key that was refused. */
export interface RefusedKey {
  key: string;
  refusal: Refusal;
  applicant: RefusedApplicant;
  /** The time of the refusal, in monotonic milliseconds. */
  at: number;
  /** Whether another requester, of an earlier version, tells the key something else, because it does not know of renames. */
  isDisputed?: boolean;
}

export class RefusalLog {
  readonly #clock: Clock;
  readonly #refused = new Map<string, RefusedKey>();
  readonly #onRefused: (refused: RefusedKey) => void;

  /** `onRefused` is called with each key that this requester refuses. */
  constructor(clock: Clock, onRefused: (refused: RefusedKey) => void) {
    this.#clock = clock;
    this.#onRefused = onRefused;
  }

  add(key: string, refusal: Refusal, applicant: RefusedApplicant): void {
    this.#onRefused(this.keep({ key, refusal, applicant }));
  }

  /** Remembers a key that another requester has refused. */
  keep(refused: Omit<RefusedKey, 'at'>): RefusedKey {
    const kept = { ...refused, at: this.#clock.monotonic() };
    this.#refused.delete(refused.key);
    this.#refused.set(refused.key, kept);
    const [oldest] = this.#refused.size > maxRemembered ? this.#refused.keys() : [];
    if (oldest !== undefined) this.#refused.delete(oldest);
    return kept;
  }

  of(key: string): RefusedKey | undefined {
    return this.#refused.get(key);
  }

  /** Returns the keys that wanted the id of this node within the last hour, the latest first. */
  wanting(id: string): RefusedKey[] {
    const since = this.#clock.monotonic() - offeredMs;
    return [...this.#refused.values()]
      .filter(({ applicant, at }) => applicant.node === id && at > since)
      .reverse();
  }

  /** Returns the last refusal of a key, and forgets it, because the key is let in now. */
  take(key: string): RefusedKey | undefined {
    const refused = this.#refused.get(key);
    this.#refused.delete(key);
    return refused;
  }
}

export interface WhyOptions {
  connection: Pick<Connection, 'subscribe'>;
  refusals: RefusalLog;
  clock: Clock;
  /** Returns whether there are other requesters. */
  hasPeers(): boolean;
  /** Called with each refusal that a key was told. */
  onAnswered?(refused: RefusedKey): void;
}

/**
 * Answers the keys that ask why they were refused, each only in its own inbox. What this requester does not know, another one
 * may know and has time to answer first. A key that nobody refuses is told so: a node that was brought back waits for that.
 */
export function answerWhy(options: WhyOptions): Subscription {
  const { connection, refusals, clock, hasPeers, onAnswered } = options;
  const prefix = whySubject('');
  const waiting = new Set<Timer>();
  const answer = (message: Message, key: string) => {
    const refused = refusals.of(key);
    message.respond(JSON.stringify(refused?.refusal ?? {}));
    if (refused) onAnswered?.(refused);
  };
  const answerLater = (message: Message, key: string) => {
    const timer = clock.after(othersTurnMs, () => {
      waiting.delete(timer);
      answer(message, key);
    });
    waiting.add(timer);
  };
  const subscription = connection.subscribe(whySubject(), message => {
    const key = message.subject.slice(prefix.length);
    if (!message.reply.startsWith(`${inboxPrefix(key)}.`)) return;
    if (refusals.of(key) || !hasPeers()) answer(message, key);
    else if (waiting.size < maxWaiting) answerLater(message, key);
  });
  return {
    unsubscribe: () => {
      subscription.unsubscribe();
      for (const timer of waiting) timer.cancel();
    },
  };
}
