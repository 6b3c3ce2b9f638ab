// Follows the events of the requester for as long as a view shows them, and asks again when the connection is lost.
import { tokenHeaders } from '../feed/session.ts';
import { linesOf } from './event-lines.ts';
import { type PageEvent, readPageEvent } from './page-event.ts';

export interface EventQuery {
  /** The id of the node whose events are wanted; all nodes and the requesters by default. */
  node?: string;
  /** The time of the oldest event that is wanted; all that are kept by default. */
  since?: Date;
}

export interface EventFeedOptions extends EventQuery {
  /** Ends it. */
  signal: AbortSignal;
  /** Takes each event, in their order. */
  onEvent(event: PageEvent): void;
  /** Says why no events come now; empty when they come. */
  onFault(fault: string): void;
}

/** The requester will never answer this question, because it is about no node that there can be. */
class FinalRefusal extends Error {}

/** Time until the next try, in milliseconds. */
const retryMs = 3_000;

/** Asks for the events until `signal` ends it. It never throws. */
export async function followEvents(options: EventFeedOptions): Promise<void> {
  const { signal } = options;
  let cursor = '';
  while (!signal.aborted) {
    try {
      for await (const event of eventsAfter(cursor, options)) {
        if (signal.aborted) return;
        cursor = event.cursor || cursor;
        options.onEvent(event);
      }
      options.onFault('the requester ended the connection; trying again');
    } catch (error) {
      if (signal.aborted) return;
      const reason = error instanceof Error ? error.message : String(error);
      const isFinal = error instanceof FinalRefusal;
      options.onFault(isFinal ? reason : `${reason}; trying again`);
      if (isFinal) return;
    }
    await pause(retryMs, signal);
  }
}

async function* eventsAfter(cursor: string, options: EventFeedOptions): AsyncGenerator<PageEvent> {
  const { node, since, signal, onFault } = options;
  const query = new URLSearchParams({ follow: 'true' });
  if (node) query.set('node', node);
  if (cursor) query.set('after', cursor);
  else if (since) query.set('since', since.toISOString());
  const response = await fetch(`/api/v1/orchestrator/events?${query}`, { headers: tokenHeaders(), signal });
  if (response.status === 400) throw new FinalRefusal(await refusalOf(response));
  if (!response.ok || !response.body) throw new Error(await refusalOf(response));
  onFault('');
  for await (const line of linesOf(response.body)) {
    const event = readPageEvent(line);
    if (event) yield event;
  }
}

async function refusalOf(response: Response): Promise<string> {
  const { Message } = (await response.json().catch(() => ({}))) as { Message?: unknown };
  return typeof Message === 'string' ? Message : `the requester answers ${response.status}`;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
