// Waits until a node is drained, and says meanwhile what it still runs.
import type { ShownEvent, ShownNode } from '../../../api/answers.ts';
import { type Clock, sleep } from '../../../system/clock.ts';
import { MusterError } from '../../../system/errors.ts';
import { runningText } from './cordon-text.ts';

export interface DrainWaitOptions {
  /** Returns the node as the requester shows it. @throws MusterError */
  look(): Promise<ShownNode>;
  /** The events of the node from now on, without end. */
  events: AsyncIterable<ShownEvent>;
  clock: Clock;
  /** The longest wait, in milliseconds; undefined for no limit. */
  timeoutMs: number | undefined;
  /** Shows what is awaited, each time when that changes. */
  tell(text: string): void;
}

/** Time between two looks at the node when no event comes, in milliseconds. */
const lookMs = 1_000;

/** What a look at the node means for the wait. */
type DrainStep =
  | { kind: 'done' }
  /** `began` is when the drain began; empty while the requester does not answer. */
  | { kind: 'wait'; text: string; began: string }
  | { kind: 'ended'; text: string };

/**
 * Resolves when the node is drained. @throws MusterError `failed` when the drain was ended before, or the time is over, with
 * what the node still runs; any error of the requester that a later request cannot change.
 */
export async function waitUntilDrained(options: DrainWaitOptions): Promise<void> {
  const { look, events, clock, timeoutMs, tell } = options;
  const startMs = clock.monotonic();
  const news = new News(events);
  let told = '';
  let began = '';
  for (;;) {
    const leftMs = timeoutMs === undefined ? lookMs : timeoutMs - (clock.monotonic() - startMs);
    const step = await judgeOrWait(look);
    if (step.kind === 'done') return;
    if (step.kind === 'ended') {
      // The cordon may have ended right after the work.
      if (began !== '' && news.drainedAt > began) return;
      throw new MusterError('failed', step.text);
    }
    began = step.began || began;
    if (step.text !== told) tell(step.text);
    told = step.text;
    if (leftMs <= 0)
      throw new MusterError('failed', `the deadline has passed, and ${step.text}`, {
        hint: 'it stays cordoned, and the drain goes on; wait on with the same command',
      });
    await Promise.race([sleep(clock, Math.min(lookMs, leftMs)), news.next()]);
  }
}

/** Says what the view of a node means: a pure rule. */
function judgeDrain(node: ShownNode): DrainStep {
  const { Drain } = node.Muster?.Cordon ?? {};
  if (!Drain)
    return { kind: 'ended', text: `the drain of ${node.Info.NodeID} was ended: it may have work again` };
  return Drain.DrainedAt ? { kind: 'done' } : { kind: 'wait', text: runningText(node), began: Drain.At };
}

// A requester that is away for a moment does not end the wait.
async function judgeOrWait(look: DrainWaitOptions['look']): Promise<DrainStep> {
  try {
    return judgeDrain(await look());
  } catch (error) {
    if (!(error instanceof MusterError) || error.code !== 'unreachable') throw error;
    return { kind: 'wait', text: error.message, began: '' };
  }
}

/** Notes the events of the node. Each is a reason to look again. */
class News {
  /** The time of the last event that told that the node is drained; empty when there was none. */
  drainedAt = '';
  #next = Promise.withResolvers<void>();

  constructor(events: AsyncIterable<ShownEvent>) {
    void this.#follow(events).catch(() => undefined);
  }

  /** Resolves at the next event. */
  next(): Promise<void> {
    return this.#next.promise;
  }

  async #follow(events: AsyncIterable<ShownEvent>): Promise<void> {
    for await (const { type, time } of events) {
      if (type.endsWith('.drained')) this.drainedAt = time;
      this.#next.resolve();
      this.#next = Promise.withResolvers<void>();
    }
  }
}
