// A fact about the machine, and how far it can be trusted: who said it, when, and what others said.

/** What one source says. Absent values are not claims. */
export interface Claim<T> {
  readonly source: string;
  readonly value: T | undefined;
  /** Milliseconds that the source took to answer, for all that it said. */
  readonly took: number;
  /** When it was read, RFC 3339. */
  readonly readAt: string;
  /** It bears on the fact, but is no measure of it: never used, only shown. */
  readonly hint?: true;
}

export interface Fact<T> {
  readonly value: T;
  readonly source: string;
  readonly took: number;
  readonly readAt: string;
  /** What the other sources said, whether they agree or not. */
  readonly others: readonly { readonly source: string; readonly value: T }[];
  /** All that was said, where not all agree: `nvml: 24576 MiB; PCI BAR: 256 MiB; using nvml`. */
  readonly disagreement?: string;
}

export interface Settling<T> {
  /** Do two values say the same? By default only equal ones do. */
  agree?(used: T, other: T): boolean;
  /** One value, for the sentence about a disagreement. */
  format?(value: T): string;
}

/** The fact that `claims` make, the best source first; undefined when no source but hints says anything. */
export function settle<T>(claims: readonly Claim<T>[], settling: Settling<T> = {}): Fact<T> | undefined {
  const { agree = Object.is, format = String } = settling;
  const said = claims.filter((claim): claim is Claim<T> & { value: T } => claim.value !== undefined);
  const used = said.find(claim => !claim.hint);
  if (!used) return undefined;
  const others = said.filter(claim => claim !== used).map(({ source, value }) => ({ source, value }));
  const { source, value, took, readAt } = used;
  if (others.every(other => agree(value, other.value))) return { value, source, took, readAt, others };
  const all = [used, ...others].map(claim => `${claim.source}: ${format(claim.value)}`);
  return { value, source, took, readAt, others, disagreement: `${all.join('; ')}; using ${source}` };
}
