// Says which lines of a long list are in sight, so that a browser holds some dozens of thousands of nodes.

/** The lines in sight, by their index, and where each begins. */
export interface Window {
  readonly first: number;
  /** The index behind the last line. */
  readonly end: number;
}

/** Returns where each line begins, in pixels, and last where the list ends. */
export function offsetsOf(heights: Iterable<number>): number[] {
  const offsets = [0];
  let sum = 0;
  for (const height of heights) {
    sum += height;
    offsets.push(sum);
  }
  return offsets;
}

/** Returns the lines that are in sight between two places in pixels, and `more` beyond at each side. */
export function windowOf(offsets: readonly number[], from: number, to: number, more: number): Window {
  const lines = offsets.length - 1;
  const first = Math.max(0, lineAt(offsets, from) - more);
  return { first, end: Math.min(lines, lineAt(offsets, to) + 1 + more) };
}

/** Returns the index of the line at a place; the first or last one when it is outside. */
function lineAt(offsets: readonly number[], place: number): number {
  let low = 0;
  let high = Math.max(0, offsets.length - 2);
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((offsets[middle] ?? 0) <= place) low = middle;
    else high = middle - 1;
  }
  return low;
}
