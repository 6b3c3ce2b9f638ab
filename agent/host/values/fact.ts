// A fact about the machine: its value, the source of the value, and what the other sources say.

/**
 * What one source says. A claim without a value is ignored.
 *
 * `muster probe -o json` prints facts, so the names of their members do not change.
 */
export interface Claim<T> {
  readonly source: string;
  readonly value: T | undefined;
  /** Milliseconds that the source took to answer, for all facts that it knows. */
  readonly took: number;
  /** When it was read, RFC 3339. */
  readonly readAt: string;
  /** The value is related to the fact, but does not measure it: it is shown and never used. */
  readonly hint?: true;
}

export interface Fact<T> {
  readonly value: T;
  readonly source: string;
  readonly took: number;
  readonly readAt: string;
  /** What the other sources say, whether they agree or not. */
  readonly others: readonly { readonly source: string; readonly value: T }[];
  /** All values, where the sources do not agree: `nvml: 24576 MiB; PCI BAR: 256 MiB; using nvml`. */
  readonly disagreement?: string;
}

export interface SettleOptions<T> {
  /** Returns whether two values mean the same. By default only equal values do. */
  agree?(used: T, other: T): boolean;
  /** Formats a value for the sentence about a disagreement. */
  format?(value: T): string;
}

/** Makes a fact of `claims`, which stand with the best source first. Returns undefined when there are at most hints. */
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
