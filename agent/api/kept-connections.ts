// Keeps signed-in connections between requests, so that a thousand decisions need no thousand connections and proofs.
import type { IncomingMessage } from 'node:http';
import { systemClock } from '../system/clock.ts';
import type { SignedIn } from './signed-in.ts';

/**
 * Longest time that a connection may be idle and still be used, in milliseconds. A requester closes one after five seconds, and a
 * request that is sent just then is lost.
 */
const maxIdleMs = 1_000;

export class KeptConnections {
  #idle: { signedIn: SignedIn; answerMs: number; sinceMs: number }[] = [];

  /** Returns a connection that has just had an answer and has this time for the next one; undefined when there is none. */
  take(answerMs: number): SignedIn | undefined {
    const usable = systemClock.monotonic() - maxIdleMs;
    for (const { signedIn, sinceMs } of this.#idle) if (sinceMs < usable) signedIn.close();
    this.#idle = this.#idle.filter(({ signedIn, sinceMs }) => sinceMs >= usable && signedIn.isOpen);
    const index = this.#idle.findLastIndex(each => each.answerMs === answerMs);
    return index < 0 ? undefined : this.#idle.splice(index, 1)[0]?.signedIn;
  }

  /** Keeps the connection when its response was read to its end, and closes it otherwise. */
  keepAfter(response: IncomingMessage, signedIn: SignedIn, answerMs: number): void {
    response.once('close', () => {
      if (!response.readableEnded || !signedIn.isOpen) return signedIn.close();
      this.#idle.push({ signedIn, answerMs, sinceMs: systemClock.monotonic() });
    });
  }
}
