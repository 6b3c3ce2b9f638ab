// A small plot of figures over time, with the values at the moment to which the reader points.
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { dayAndTime } from '../shell/time.tsx';
import type { Drawing } from './draw.ts';
import type { PlotData } from './plot-series.ts';
import 'uplot/dist/uPlot.min.css';

export interface PlotProps extends PlotData {
  readonly title: string;
  /** Returns a value with its unit. */
  text(value: number): string;
}

export function Plot(props: PlotProps) {
  const { title, times, series, text } = props;
  const place = useRef<HTMLDivElement>(null);
  const pointed = useSignal<number | undefined>(undefined);
  useDrawing(place, props, index => {
    pointed.value = index;
  });
  const index = pointed.value ?? times.length - 1;
  const at = times[index];
  const values = series.flatMap(({ label, values: all }) => {
    const value = all[index];
    return typeof value === 'number' ? [`${text(value)} ${label}`] : [];
  });
  const told = values.join(', ') || 'nothing is known';
  return (
    <figure class="plot">
      <figcaption>
        <b>{title}</b> {told}
        {pointed.value !== undefined && at !== undefined && (
          <span class="dim"> at {dayAndTime(at).slice(11)}</span>
        )}
      </figcaption>
      <div ref={place} role="img" aria-label={`${title} over time: ${told}`} />
    </figure>
  );
}

/** Draws the plot, and again when its data, its width or the colours of the page change. */
function useDrawing(
  place: { readonly current: HTMLElement | null },
  props: PlotProps,
  onPoint: (index: number | undefined) => void,
): void {
  const latest = useRef(props);
  latest.current = props;
  const drawing = useRef<Drawing | undefined>(undefined);
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    let isGone = false;
    const draw = async () => {
      const { drawPlot } = await import('./draw.ts');
      if (isGone) return;
      drawing.current?.end();
      drawing.current = drawPlot(element, () => latest.current, onPoint);
    };
    void draw();
    const sizes = new ResizeObserver(() => drawing.current?.update());
    sizes.observe(element);
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    scheme.addEventListener('change', draw);
    return () => {
      isGone = true;
      sizes.disconnect();
      scheme.removeEventListener('change', draw);
      drawing.current?.end();
      drawing.current = undefined;
    };
  }, []);
  const { times, from, to, top } = props;
  useEffect(() => drawing.current?.update(), [times, from, to, top]);
}
