// Gives a view the events that it shows, and ends the question when the view is left.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { token } from '../feed/session.ts';
import { isWatched } from '../feed/watched.ts';
import { followEvents } from './event-feed.ts';
import type { PageEvent } from './page-event.ts';

export interface Events {
  /** The latest events, the oldest first. */
  readonly list: readonly PageEvent[];
  /** Why no events come now; empty when they come. */
  readonly fault: string;
}

/** Number of the events that a view keeps. Older ones are left out. */
export const mostEvents = 2_000;

/** Returns the events of a node, or of everybody in the last `withinMs`. The view is drawn again once a frame when some come. */
export function useEvents({ node, withinMs }: { node?: string; withinMs?: number }): Events {
  const events = useSignal<Events>({ list: [], fault: '' });
  const shown = token.value;
  const isFollowed = isWatched.value;
  useEffect(() => {
    if (!isFollowed) return undefined;
    const end = new AbortController();
    let coming: PageEvent[] = [];
    const onFrame = () => {
      const { list, fault } = events.peek();
      events.value = { list: [...list, ...coming].slice(-mostEvents), fault };
      coming = [];
    };
    events.value = { list: [], fault: '' };
    void followEvents({
      ...(node === undefined ? {} : { node }),
      ...(withinMs === undefined ? {} : { since: new Date(Date.now() - withinMs) }),
      signal: end.signal,
      onEvent: event => {
        if (end.signal.aborted) return;
        if (coming.push(event) === 1) requestAnimationFrame(onFrame);
        else if (coming.length > mostEvents) coming.shift();
      },
      onFault: fault => {
        events.value = { ...events.peek(), fault };
      },
    });
    return () => end.abort();
  }, [node, withinMs, shown, isFollowed]);
  return events.value;
}
