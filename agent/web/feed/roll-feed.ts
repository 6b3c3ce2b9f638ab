// Keeps the live roll coming: it asks for the stream, reads it, notices when it falls silent, and asks again for as long as the
// page is open.

import { plainDirection } from '../../system/plain-direction.ts';
import { EventReader } from './event-reader.ts';

/** What the connection does. It is `crowded` while other windows have all places, and `refused` says why the requester does not answer this reader; nothing is tried again then. */
export type FeedState =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  | { readonly kind: 'lost'; readonly reason: string }
  | { readonly kind: 'crowded' }
  | { readonly kind: 'refused'; readonly reason: string; readonly hint: string };

/** Other windows of the browser have all places in which the roll can be read. */
export class NoPlace extends Error {}

export interface RollFeedOptions {
  /** Asks for the stream. Rejects when nobody answers, and with NoPlace when other windows have all places. */
  open(signal: AbortSignal): Promise<Response>;
  /** Takes an event of the stream. */
  onEvent(name: string, data: unknown): void;
  onState(state: FeedState): void;
  /** Calls `fn` after a time in milliseconds, and returns how to prevent it. */
  after(delayMs: number, fn: () => void): () => void;
  /** Resolves when the browser has done what else was to be done, such as to answer a key. */
  nextTask(): Promise<void>;
}

/** The times until the next try, in milliseconds. */
const delaysMs = [500, 1000, 2000, 4000, 8000];
/** The time until a window looks again whether there is a place, in milliseconds. */
const crowdedMs = 1500;
/** A stream is lost when nothing comes for so long. The requester sends a sign of life every few seconds. */
const silenceMs = 20_000;

export class RollFeed {
  readonly #options: RollFeedOptions;
  #failures = 0;
  #isCrowded = false;
  #run: AbortController | undefined;
  #forget: () => void = () => undefined;

  constructor(options: RollFeedOptions) {
    this.#options = options;
  }

  /** Asks at once, also while another answer is read, as after somebody signed in. */
  start(): void {
    this.stop();
    this.#failures = 0;
    this.#isCrowded = false;
    this.#connect();
  }

  stop(): void {
    this.#forget();
    this.#run?.abort();
    this.#run = undefined;
  }

  /** Asks at once if it only waits for the next try, as when the page is looked at again. */
  hurry(): void {
    if (this.#run) return;
    this.#forget();
    this.#connect();
  }

  #connect(): void {
    const run = new AbortController();
    this.#run = run;
    if (this.#failures === 0 && !this.#isCrowded) this.#options.onState({ kind: 'connecting' });
    this.#read(run).then(
      end => this.#onEnd(run, end),
      (error: unknown) =>
        this.#onEnd(
          run,
          error instanceof NoPlace ? { kind: 'crowded' } : { kind: 'lost', reason: reasonOf(error) },
        ),
    );
  }

  async #read(run: AbortController): Promise<FeedState> {
    const watch = this.#watchSilence(run);
    try {
      const response = await this.#options.open(run.signal);
      if (!response.ok) return refusal(response);
      const reader = new EventReader();
      const decoder = new TextDecoder();
      const parts = response.body?.getReader();
      for (let part = await parts?.read(); part?.value; part = await parts?.read()) {
        if (run.signal.aborted) break;
        watch.onSign();
        for (const { name, data } of reader.read(decoder.decode(part.value, { stream: true })))
          this.#take(name, data);
        // The parts of a long roll may all have come. Without a pause, a key would wait until all are taken.
        await this.#options.nextTask();
      }
      return { kind: 'lost', reason: 'the requester ended the connection' };
    } finally {
      watch.end();
    }
  }

  #take(name: string, data: string): void {
    this.#options.onEvent(name, JSON.parse(plainDirection(data)));
    if (name !== 'ready') return;
    this.#failures = 0;
    this.#options.onState({ kind: 'live' });
  }

  #watchSilence(run: AbortController): { onSign(): void; end(): void } {
    const give = () => this.#options.after(silenceMs, () => run.abort(new Error('nothing was heard of it')));
    let forget = give();
    return {
      onSign: () => {
        forget();
        forget = give();
      },
      end: () => forget(),
    };
  }

  #onEnd(run: AbortController, state: FeedState): void {
    // Another run may have begun, or nobody wants the roll any more.
    if (this.#run !== run) return;
    this.#run = undefined;
    run.abort();
    this.#options.onState(state);
    if (state.kind === 'refused') return;
    this.#isCrowded = state.kind === 'crowded';
    const delayMs = this.#isCrowded
      ? crowdedMs
      : (delaysMs[Math.min(this.#failures, delaysMs.length - 1)] ?? 0);
    if (!this.#isCrowded) this.#failures++;
    // Not all pages ask in the same moment when a requester is back.
    this.#forget = this.#options.after(delayMs * (0.75 + Math.random() / 2), () => this.#connect());
  }
}

/** Reads why the answer has no roll. Only a reader who is not let in is refused; for all others it may be better soon. */
async function refusal(response: Response): Promise<FeedState> {
  const problem = (await response.json().catch(() => ({}))) as { Message?: unknown; Hint?: unknown };
  const reason = typeof problem.Message === 'string' ? problem.Message : `it answers ${response.status}`;
  if (response.status !== 401 && response.status !== 403) return { kind: 'lost', reason };
  return { kind: 'refused', reason, hint: typeof problem.Hint === 'string' ? problem.Hint : '' };
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
