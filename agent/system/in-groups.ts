// Works through a list in groups, so that not everything is asked of the store at once.

/**
 * Calls `work` for each item, for `size` of them at the same time. When it returns false for one of them, the groups
 * after that one are left out.
 */
export async function inGroups<T>(
  items: readonly T[],
  size: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  for (let from = 0; from < items.length; from += size) {
    const done = await Promise.all(items.slice(from, from + size).map(work));
    if (done.includes(false)) return;
  }
}
