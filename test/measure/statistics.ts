// What many measurements of one thing come to.

export const median = (values: readonly number[]): number => sorted(values)[values.length >> 1] ?? Number.NaN;

/** The value that `share` of all do not exceed, by the nearest rank. */
export function quantile(values: readonly number[], share: number): number {
  return sorted(values)[Math.ceil(values.length * share) - 1] ?? Number.NaN;
}

/** How far the median may be off by chance, one standard error, by the median deviation: a few outliers do not matter. */
export function errorOfMedian(values: readonly number[]): number {
  const middle = median(values);
  // For the normal distribution: from the median deviation to the standard one, and from the mean's error to the median's.
  const deviation = 1.4826 * median(values.map(value => Math.abs(value - middle)));
  return (Math.sqrt(Math.PI / 2) * deviation) / Math.sqrt(values.length);
}

const sorted = (values: readonly number[]) => values.toSorted((a, b) => a - b);
