// Keeps why keys were refused, and answers the keys that ask (`muster.why.<key>`).
import type { Refusal } from '../../protocol/refusal.ts';
import { inboxPrefix, whySubject } from '../../protocol/subjects.ts';
import type { Connection, Subscription } from '../../transport/port.ts';

/** Number of refused keys that are remembered. The one that was refused longest ago is forgotten first. */
const maxRemembered = 10_000;

/** Who was refused. */
export interface RefusedApplicant {
  /** The id that it wanted. */
  node: string;
  /** The address of its machine. */
  host: string;
}

export class RefusalLog {
  readonly #refusals = new Map<string, Refusal>();
  readonly #onRefused: (refusal: Refusal, applicant: RefusedApplicant, key: string) => void;

  constructor(onRefused: (refusal: Refusal, applicant: RefusedApplicant, key: string) => void) {
    this.#onRefused = onRefused;
  }

  add(key: string, refusal: Refusal, applicant: RefusedApplicant): void {
    this.#refusals.delete(key);
    this.#refusals.set(key, refusal);
    const [oldest] = this.#refusals.size > maxRemembered ? this.#refusals.keys() : [];
    if (oldest !== undefined) this.#refusals.delete(oldest);
    this.#onRefused(refusal, applicant, key);
  }

  of(key: string): Refusal | undefined {
    return this.#refusals.get(key);
  }

  /** Forgets that a key was refused, because it is let in now. */
  delete(key: string): void {
    this.#refusals.delete(key);
  }
}

/** Answers the keys that ask why they were refused. Each gets the answer only in its own inbox. */
export function answerWhy(connection: Connection, refusals: RefusalLog): Subscription {
  const prefix = whySubject('');
  return connection.subscribe(whySubject(), message => {
    const key = message.subject.slice(prefix.length);
    if (message.reply.startsWith(`${inboxPrefix(key)}.`))
      message.respond(JSON.stringify(refusals.of(key) ?? {}));
  });
}
