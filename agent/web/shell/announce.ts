// Tells people who do not see the page what has just happened, and shows the same to all for a while.
import { signal } from '@preact/signals';

/** A message at the edge of the page. */
export interface Notice {
  readonly key: number;
  readonly text: string;
  readonly isFault: boolean;
  /** More about it, a line each. */
  readonly more: readonly string[];
  /** What takes back what the message says, if something does, and what its button says. */
  readonly undo?: { readonly title: string; act(): void };
}

/** The messages that are shown now, the latest last. */
export const notices = signal<readonly Notice[]>([]);

const shownMs = 12_000;
const againMs = 2_000;
const maxNotices = 4;
let nextKey = 1;
let isSomebodyThere = (): boolean => false;

/** Shows a message. One that is a fault stays until somebody closes it, others while somebody is at them. */
export function announce(notice: Omit<Notice, 'key'>): void {
  const key = nextKey++;
  notices.value = [...notices.value, { ...notice, key }].slice(-maxNotices);
  if (!notice.isFault) closeAfter(shownMs, key);
}

export function closeNotice(key: number): void {
  notices.value = notices.value.filter(each => each.key !== key);
}

/** Keeps messages while this holds when their time is over. Called once, by what shows them. */
export function keepWhile(holds: () => boolean): void {
  isSomebodyThere = holds;
}

function closeAfter(ms: number, key: number): void {
  setTimeout(() => (isSomebodyThere() ? closeAfter(againMs, key) : closeNotice(key)), ms);
}
