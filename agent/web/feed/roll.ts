// The live roll of this page: its rows, who reads it, and the state of the connection, as signals for the views. However many
// events come, the views are told a few times a second.
import { batch, computed, effect, signal } from '@preact/signals';
import { takeNewEvents } from './new-events.ts';
import { Pace } from './pace.ts';
import { takePlace } from './place-of-window.ts';
import { type FeedState, NoPlace, RollFeed } from './roll-feed.ts';
import { RollStore } from './roll-store.ts';
import { token, tokenHeaders } from './session.ts';
import { isWatched } from './watched.ts';

/** A number that changes in a frame when the roll has changed. Who reads it is called again then. */
export const frame = signal(0);
/** What the connection does. */
export const feedState = signal<FeedState>({ kind: 'connecting' });
/** A number that changes every second, for texts such as `3s ago`. */
export const second = signal(0);

/** When the time of the requester was heard last, by the clock of the page. */
let heardTimeAt = 0;
let heardTime = 0;

const pace = new Pace({
  now: () => performance.now(),
  after: (delayMs, fn) => setTimeout(fn, delayMs),
  nextFrame: fn => requestAnimationFrame(fn),
  tell: tellViews,
});

export const store = new RollStore(() => {
  const at = store.head?.at ?? 0;
  if (at !== heardTime) {
    heardTime = at;
    heardTimeAt = performance.now();
  }
  pace.onChange();
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

const tasks: (() => void)[] = [];
const taskPort = new MessageChannel();
taskPort.port1.onmessage = () => tasks.shift()?.();

const feed = new RollFeed({
  open: async signal => {
    if (!(await takePlace(signal))) throw new NoPlace();
    return fetch('/api/v1/orchestrator/roll', { headers: tokenHeaders(), signal });
  },
  onEvent: (name, data) => {
    store.take(name, data);
    takeNewEvents(name, data);
  },
  onState: state =>
    batch(() => {
      // Whoever hears that all of the roll has come finds all of it.
      if (state.kind === 'live') tellViews();
      feedState.value = state;
    }),
  after: (delayMs, fn) => {
    const timer = setTimeout(fn, delayMs);
    return () => clearTimeout(timer);
  },
  nextTask,
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

// It may be called by an effect, which must not depend on it.
function tellViews(): void {
  frame.value = frame.peek() + 1;
}

/** Resolves in a task of its own. A timer would wait for some milliseconds each time, and a long roll has many parts. */
function nextTask(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  tasks.push(resolve);
  taskPort.port2.postMessage(null);
  return promise;
}
