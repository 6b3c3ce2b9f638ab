// Gives a view the events that it shows, and ends the question when the view is left.
import { useComputed, useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { listenToEvents } from '../feed/new-events.ts';
import { head, requesterNow } from '../feed/roll.ts';
import { token, tokenHeaders } from '../feed/session.ts';
import { isWatched } from '../feed/watched.ts';
import { EventFeed } from './event-feed.ts';
import type { PageEvent } from './page-event.ts';

export interface Events {
  /** The latest events, the oldest first. */
  readonly list: readonly PageEvent[];
  /** Why events are missing; empty when none are. */
  readonly fault: string;
}

/** Number of the events that a view keeps. Older ones are left out. */
export const mostEvents = 2_000;

const none: Events = { list: [], fault: '' };

/** Returns the events of a node, or of everybody in the last `withinMs`. The view is drawn again once a frame when some come. */
export function useEvents({ node, withinMs }: { node?: string; withinMs?: number }): Events {
  const events = useSignal(none);
  // How long ago something was is known only by the clock of the requester.
  const isTimeKnown = useComputed(() => head.value !== undefined).value;
  const isFollowed = isWatched.value && (withinMs === undefined || isTimeKnown);
  const shown = token.value;
  useEffect(() => {
    if (!isFollowed) return undefined;
    let coming: PageEvent[] = [];
    const onFrame = () => {
      const { list, fault } = events.peek();
      events.value = { list: [...list, ...coming].slice(-mostEvents), fault };
      coming = [];
    };
    const feed = new EventFeed({
      ...(node === undefined ? {} : { node }),
      ...(withinMs === undefined ? {} : { since: () => new Date(requesterNow() - withinMs) }),
      open: (query, signal) =>
        fetch(`/api/v1/orchestrator/events?${query}`, { headers: tokenHeaders(), signal }),
      onEvents: told => {
        if (coming.length === 0) requestAnimationFrame(onFrame);
        coming.push(...told);
        if (coming.length > 2 * mostEvents) coming = coming.slice(-mostEvents);
      },
      onLost: () => {
        coming = [];
        events.value = none;
      },
      onFault: fault => {
        if (fault !== events.peek().fault) events.value = { ...events.peek(), fault };
      },
      after: (delayMs, fn) => {
        const timer = setTimeout(fn, delayMs);
        return () => clearTimeout(timer);
      },
    });
    events.value = none;
    feed.start();
    const end = listenToEvents({
      onFollowing: () => feed.start(),
      onEvents: told => feed.take(told),
    });
    return () => {
      end();
      feed.stop();
      coming = [];
    };
  }, [node, withinMs, shown, isFollowed]);
  return events.value;
}
