// Keeps the events that a view shows complete: those that are stored are asked for, and new ones come with the live roll. After
// each gap it asks again, for those after the last one that it has.
import { readEventCursor } from '../../protocol/event-cursor.ts';
import { linesOf } from './event-lines.ts';
import { type PageEvent, readEventLine, readPageEvent } from './page-event.ts';

export interface EventFeedOptions {
  /** The id of the node whose events are wanted; all nodes and the requesters by default. */
  node?: string;
  /** Returns the time of the oldest event that is wanted; all that are kept by default. */
  since?(): Date;
  /** Asks for stored events, and rejects when nobody answers. */
  open(query: URLSearchParams, signal: AbortSignal): Promise<Response>;
  /** Takes events, each once and in their order. */
  onEvents(events: readonly PageEvent[]): void;
  /** Is told that the events so far belong to an earlier stream, or that some after them are not kept any more. */
  onLost(): void;
  /** Says why events are missing; empty when none are. */
  onFault(fault: string): void;
  /** Calls `fn` after a time in milliseconds, and returns how to prevent it. */
  after(delayMs: number, fn: () => void): () => void;
}

/** Time until the next try, in milliseconds. */
const retryMs = 3_000;
/** Number of the new events that wait until the stored ones have come. */
const mostWaiting = 2_000;

export class EventFeed {
  readonly #options: EventFeedOptions;
  #cursor = '';
  #waiting: PageEvent[] = [];
  /** What is asked for, or will be asked for again; undefined while nothing is missing. */
  #run: AbortController | undefined;
  #forget: () => void = () => undefined;

  constructor(options: EventFeedOptions) {
    this.#options = options;
  }

  /** Asks for the events after the last one that it has. */
  start(): void {
    this.stop();
    const run = new AbortController();
    this.#run = run;
    this.#read(run).then(
      () => this.#onRead(run),
      (error: unknown) => this.#onFailure(run, error),
    );
  }

  stop(): void {
    this.#forget();
    this.#run?.abort();
    this.#run = undefined;
  }

  /** Takes new events, which may be among the stored ones too. */
  take(events: readonly unknown[]): void {
    // Those of other nodes would take the place of its own while they wait.
    const read = events.flatMap(event => readPageEvent(event) ?? []).filter(event => this.#isWanted(event));
    if (!this.#run) this.#tell(read);
    else this.#waiting = [...this.#waiting, ...read].slice(-mostWaiting);
  }

  async #read(run: AbortController): Promise<void> {
    const { node, since, open } = this.#options;
    const query = new URLSearchParams();
    if (node) query.set('node', node);
    if (this.#cursor) query.set('after', this.#cursor);
    else if (since) query.set('since', since().toISOString());
    const response = await open(query, run.signal);
    // No node can have this id, none has it, or only some have ids that begin so.
    if (node && [400, 404, 409].includes(response.status)) return;
    if (!response.ok || !response.body) throw new Refusal(response.status, await messageIn(response));
    for await (const line of linesOf(response.body)) {
      if (run.signal.aborted) return;
      const event = readEventLine(line);
      if (event) this.#tell([event]);
    }
  }

  #onRead(run: AbortController): void {
    if (this.#run !== run) return;
    this.#run = undefined;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#tell(waiting);
    this.#options.onFault('');
  }

  #onFailure(run: AbortController, error: unknown): void {
    if (this.#run !== run) return;
    const { onFault, onLost, after } = this.#options;
    const status = error instanceof Refusal ? error.status : undefined;
    if (status === 410 && this.#cursor) {
      this.#cursor = '';
      onLost();
      this.start();
    } else {
      onFault(`${error instanceof Error ? error.message : error}; trying again`);
      this.#forget = after(retryMs, () => this.start());
    }
  }

  #tell(events: readonly PageEvent[]): void {
    const told = events.filter(event => {
      if (!this.#isWanted(event) || !isAfter(event.cursor, this.#cursor)) return false;
      this.#cursor = event.cursor || this.#cursor;
      return true;
    });
    if (told.length > 0) this.#options.onEvents(told);
  }

  #isWanted({ subject }: PageEvent): boolean {
    const { node } = this.#options;
    return !node || subject === node;
  }
}

class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Whether an event comes after the last one. An event of another stream does, and so does one whose place nobody knows. */
function isAfter(text: string, lastText: string): boolean {
  const [cursor, last] = [readEventCursor(text), readEventCursor(lastText)];
  if (!cursor || !last || cursor.life !== last.life) return true;
  return cursor.sequence > last.sequence;
}

async function messageIn(response: Response): Promise<string> {
  const { Message } = (await response.json().catch(() => ({}))) as { Message?: unknown };
  return typeof Message === 'string' ? Message : `the requester answers ${response.status}`;
}
