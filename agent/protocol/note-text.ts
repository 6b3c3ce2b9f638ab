// Says in words how long it lasts what is to be noted of a node. The list of nodes and the page show the same text.
import { shortDuration } from './unit-text.ts';

/** One thing to be noted of a node. */
export interface LastingNote {
  /** What it is, which does not change with the time: `left`, `silent`, or another. */
  what: string;
  /** The text without a time. */
  text: string;
  /** When it began, in milliseconds since 1970; null where that is not told. */
  since: number | null;
}

/** Returns the text of a note at the time `now`, such as `left 3m ago` or `silent for 45s`. */
export function noteText({ what, text, since }: LastingNote, now: number): string {
  if (since === null) return text;
  const lasts = shortDuration(now - since);
  return what === 'left' ? `${text} ${lasts} ago` : `${text} for ${lasts}`;
}
