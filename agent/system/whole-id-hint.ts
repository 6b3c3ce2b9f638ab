// Writes the hint for a decision that names a node by the beginning of its id.

/**
 * Returns the hint with at most three of the ids that begin so; undefined when there are none. A decision about the
 * wrong node cannot be taken back, so the operator has to write the whole id.
 */
export function wholeIdHint(ids: readonly string[]): string | undefined {
  const shown = ids.length > 3 ? [...ids.slice(0, 3), 'another'] : [...ids];
  const last = shown.pop();
  if (last === undefined) return undefined;
  const list = shown.length > 0 ? `${shown.join(', ')} or ${last}` : last;
  return `did you mean ${list}? A decision needs the whole id of the node`;
}
