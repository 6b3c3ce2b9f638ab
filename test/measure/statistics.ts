// Computes median, quantile and error of repeated measurements.

export const median = (values: readonly number[]): number => sorted(values)[values.length >> 1] ?? Number.NaN;

/** Returns the value that `share` of all values do not exceed, by the nearest rank. */
export function quantile(values: readonly number[], share: number): number {
  return sorted(values)[Math.ceil(values.length * share) - 1] ?? Number.NaN;
}

/** Returns the standard error of the median. It is computed from the median deviation, so a few outliers do not matter. */
export function errorOfMedian(values: readonly number[]): number {
  const middle = median(values);
  // In a normal distribution, the first factor turns the median deviation into the standard deviation, and the second one
  // turns the error of the mean into the error of the median.
  const deviation = 1.4826 * median(values.map(value => Math.abs(value - middle)));
  return (Math.sqrt(Math.PI / 2) * deviation) / Math.sqrt(values.length);
}

const sorted = (values: readonly number[]) => values.toSorted((a, b) => a - b);
