// A fact about the machine consists of its value, the source of the value, and the values of the other sources.

/**
 * The value that one source gives. A claim without a value is ignored.
 *
 * `muster probe -o json` prints facts, so the names of their members do not change.
 */
export interface Claim<T> {
  readonly source: string;
  readonly value: T | undefined;
  /** Time that the source took for all facts that it knows, in milliseconds. */
  readonly took: number;
  /** Time when it was read, RFC 3339. */
  readonly readAt: string;
  /** Set for a value that is related to the fact, but does not measure it. Such a value is shown, but never used. */
  readonly hint?: true;
}

export interface Fact<T> {
  readonly value: T;
  readonly source: string;
  readonly took: number;
  readonly readAt: string;
  /** The values of the other sources, whether they agree or not. */
  readonly others: readonly { readonly source: string; readonly value: T }[];
  /** All values, when the sources do not agree: `nvml: 24576 MiB; PCI BAR: 256 MiB; using nvml`. */
  readonly disagreement?: string;
}

export interface SettleOptions<T> {
  /** Returns whether two values mean the same. By default they must be equal. */
  agree?(used: T, other: T): boolean;
  /** Formats a value for the sentence about a disagreement. */
  format?(value: T): string;
}

/**
 * Makes a fact of `claims`, which are sorted with the best source first. Returns undefined when there are no claims, or
 * only hints.
 */
export function settle<T>(claims: readonly Claim<T>[], options: SettleOptions<T> = {}): Fact<T> | undefined {
  const { agree = Object.is, format = String } = options;
  const withValue = claims.filter((claim): claim is Claim<T> & { value: T } => claim.value !== undefined);
  const used = withValue.find(claim => !claim.hint);
  if (!used) return undefined;
  const others = withValue.filter(claim => claim !== used).map(({ source, value }) => ({ source, value }));
  const { source, value, took, readAt } = used;
  if (others.every(other => agree(value, other.value))) return { value, source, took, readAt, others };
  const all = [used, ...others].map(claim => `${claim.source}: ${format(claim.value)}`);
  return { value, source, took, readAt, others, disagreement: `${all.join('; ')}; using ${source}` };
}
