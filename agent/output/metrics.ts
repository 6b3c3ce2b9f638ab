// Writes figures in the text format of Prometheus. The library is loaded at the first call, because most processes are never
// asked.

/** A figure with its samples. The name and its unit follow Prometheus' conventions: `muster_…_seconds`, `…_total`. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  /** A counter only rises, until its process starts again. */
  readonly type: 'counter' | 'gauge';
  readonly samples: readonly Sample[];
}

export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The content type of `metricsText`. */
export const metricsType = 'text/plain; version=0.0.4; charset=utf-8';

/** Returns a figure with one sample and no labels; nothing when the value is not known. */
export function figure(
  type: Metric['type'],
  name: string,
  help: string,
  value: number | boolean | undefined,
): Metric[] {
  return value === undefined ? [] : [{ type, name, help, samples: [{ value: Number(value) }] }];
}

/** Returns a gauge that is 1 for the present one of `all` states, and 0 for the others. */
export function stateGauge<T extends string>(
  name: string,
  help: string,
  all: readonly T[],
  present: T,
): Metric {
  const samples = all.map(state => ({ labels: { state }, value: Number(state === present) }));
  return { type: 'gauge', name, help, samples };
}

/** Returns the text. All samples of a figure must have the same labels, which escape whatever text they have. */
export async function metricsText(metrics: readonly Metric[]): Promise<string> {
  const { Counter, Gauge, Registry } = await import('prom-client');
  const registry = new Registry();
  for (const { name, help, type, samples } of metrics) {
    // The library writes a 0 for a figure that has no labels, and takes one without samples for such.
    if (samples.length === 0) continue;
    const labelNames = Object.keys(samples[0]?.labels ?? {});
    const described = { name, help, labelNames, registers: [registry] };
    if (type === 'gauge') {
      const gauge = new Gauge(described);
      for (const { labels = {}, value } of samples) gauge.set({ ...labels }, value);
    } else {
      const counter = new Counter(described);
      for (const { labels = {}, value } of samples) counter.inc({ ...labels }, value);
    }
  }
  return registry.metrics();
}
