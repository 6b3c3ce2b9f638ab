// Follows the events of the requester. When the requester restarts, it continues where it was interrupted.
import { hash } from 'node:crypto';
import { readEventCursor } from '../protocol/event-cursor.ts';
import { type Clock, sleep } from '../system/clock.ts';
import { MusterError } from '../system/errors.ts';
import { backoff, type Random } from '../system/random.ts';
import type { ShownEvent } from './answers.ts';
import type { ApiClient } from './client.ts';
import type { EventListeners } from './event-stream.ts';

export interface FeedOptions extends EventListeners {
  clock: Clock;
  random: Random;
  /** Whether a reading goes on after the cursor of the last event, and ends when events are missing. */
  byCursor?: boolean;
  /** Called when the requester stops answering. It is asked again until it answers. */
  onLost(error: MusterError): void;
  /** Called when it answers again. */
  onBack(): void;
}

/**
 * Time before an interruption, in milliseconds, from which the events are read again. The broker's clock may differ, and
 * events may arrive late.
 */
const overlapMs = 60_000;
/** Number of events that are remembered, so that none of them is shown twice. */
const mostRemembered = 50_000;

/**
 * Yields events without end. A reading that was cut off goes on at a time before the last event; by cursor it goes on after that
 * event, and a gap is an error. Throws MusterError when the requester refuses for a reason
 * that a later request cannot change, such as `gone`.
 */
export async function* followEvents(
  api: Pick<ApiClient, 'events'>,
  query: Readonly<Record<string, string>>,
  options: FeedOptions,
): AsyncGenerator<ShownEvent> {
  const { clock, random, onUnreadable, onLost, onBack } = options;
  const shown = new Set<string>();
  let from = query;
  const requester = { hasAnswered: false, isAway: false };
  const onOpen = () => {
    if (requester.isAway) onBack();
    options.onOpen?.();
    Object.assign(requester, { hasAnswered: true, isAway: false });
  };
  for (let failures = 0; ; failures++) {
    try {
      for await (const event of api.events({ ...from, follow: 'true' }, { onOpen, onUnreadable })) {
        if (!addNew(event, shown)) continue;
        failures = 0;
        // The beginning of an id could mean another node later, so the whole id is asked for from now on.
        const whole = query.node === undefined ? query : { ...query, node: event.subject };
        from = options.byCursor
          ? afterEvent(whole.node, event, from.after)
          : { ...whole, since: startAfter(event, clock) };
        yield event;
      }
    } catch (error) {
      // After a loss of the store a node is unknown until it has registered again.
      const mayPass = error instanceof MusterError && /^(unreachable|not_found)$/.test(error.code);
      if (!mayPass || !requester.hasAnswered) throw error;
      if (!requester.isAway) onLost(error);
      requester.isAway = true;
    }
    await sleep(clock, backoff(random, failures, 200, 5_000));
  }
}

/**
 * Adds the event to `shown`. Returns false when it was there already. Two events are the same only when they say the same,
 * because on a NATS of your own others may publish another event under an id.
 */
function addNew(event: ShownEvent, shown: Set<string>): boolean {
  const { cursor: _, ...said } = event;
  const name = hash('sha256', JSON.stringify(said), 'base64');
  if (shown.has(name)) return false;
  const [oldest] = shown;
  if (shown.size >= mostRemembered && oldest !== undefined) shown.delete(oldest);
  shown.add(name);
  return true;
}

/** Returns the query for what follows `event`. Throws MusterError `gone` when the one before it is of another stream. */
function afterEvent(
  node: string | undefined,
  { cursor }: ShownEvent,
  before: string | undefined,
): Record<string, string> {
  const lifeOf = (text: string) => readEventCursor(text)?.life;
  if (cursor === undefined)
    throw new MusterError('failed', 'the requester names no cursors of events: it is an earlier version');
  if (before !== undefined && lifeOf(before) !== lifeOf(cursor))
    throw new MusterError('gone', 'the event stream was lost, so events may be missing', {
      hint: 'look at what the nodes are now (muster node list), then read without the cursor',
    });
  return { ...(node === undefined ? {} : { node }), after: cursor };
}

/**
 * Returns the time from which to read after `event`. When the time of the event is in the future, it takes the present
 * time.
 */
function startAfter({ time }: ShownEvent, clock: Clock): string {
  return new Date(Math.min(Date.parse(time), clock.now().getTime()) - overlapMs).toISOString();
}
