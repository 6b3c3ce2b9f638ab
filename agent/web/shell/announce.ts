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
const maxNotices = 4;
let nextKey = 1;

/** Shows a message. One that is a fault stays until somebody closes it. */
export function announce(notice: Omit<Notice, 'key'>): void {
  const key = nextKey++;
  notices.value = [...notices.value, { ...notice, key }].slice(-maxNotices);
  if (!notice.isFault) setTimeout(() => closeNotice(key), shownMs);
}

export function closeNotice(key: number): void {
  notices.value = notices.value.filter(each => each.key !== key);
}
