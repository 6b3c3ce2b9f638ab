// The live roll of this page: its rows, who reads it, and the state of the connection, as signals for the views. However many
// events come, the views are told at most once for each frame that the browser draws.
import { computed, effect, signal } from '@preact/signals';
import { takeNewEvents } from './new-events.ts';
import { takePlace } from './place-of-window.ts';
import { type FeedState, NoPlace, RollFeed } from './roll-feed.ts';
import { RollStore } from './roll-store.ts';
import { token, tokenHeaders } from './session.ts';
import { isWatched } from './watched.ts';

/** A number that changes once a frame when the roll has changed. Who reads it is called again then. */
export const frame = signal(0);
/** What the connection does. */
export const feedState = signal<FeedState>({ kind: 'connecting' });
/** A number that changes every second, for texts such as `3s ago`. */
export const second = signal(0);

let isAsked = false;
/** When the time of the requester was heard last, by the clock of the page. */
let heardTimeAt = 0;
let heardTime = 0;

export const store = new RollStore(() => {
  const at = store.head?.at ?? 0;
  if (at !== heardTime) {
    heardTime = at;
    heardTimeAt = performance.now();
  }
  if (isAsked) return;
  isAsked = true;
  nextFrame(() => {
    isAsked = false;
    frame.value++;
  });
});

/** Whom the page talks to, and what its reader may do; undefined before the first answer. */
export const head = computed(() => {
  frame.value;
  return store.head;
});

/** Returns the present time by the clock of the requester, in milliseconds since 1970. */
export function requesterNow(): number {
  return heardTime === 0 ? Date.now() : heardTime + performance.now() - heardTimeAt;
}

const feed = new RollFeed({
  open: async signal => {
    if (!(await takePlace(signal))) throw new NoPlace();
    return fetch('/api/v1/orchestrator/roll', { headers: tokenHeaders(), signal });
  },
  onEvent: (name, data) => {
    store.take(name, data);
    takeNewEvents(name, data);
  },
  onState: state => {
    feedState.value = state;
  },
  after: (delayMs, fn) => {
    const timer = setTimeout(fn, delayMs);
    return () => clearTimeout(timer);
  },
});

/** Begins to read the roll while somebody may look at it, and again whenever somebody signs in or out. */
export function startFeed(): void {
  effect(() => {
    token.value;
    if (isWatched.value) feed.start();
    else feed.stop();
  });
  setInterval(() => {
    second.value++;
  }, 1000);
  addEventListener('online', () => {
    if (isWatched.peek()) feed.hurry();
  });
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) feed.hurry();
  });
}

// A browser draws no frame of a tab that nobody sees, and then the views need not be told.
const nextFrame = (fn: () => void): void => {
  requestAnimationFrame(fn);
};
