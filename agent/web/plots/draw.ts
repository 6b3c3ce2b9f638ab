// Draws plots by uPlot. It is loaded only when the first plot is shown.
import UPlot from 'uplot';
import type { PlotData } from './plot-series.ts';

const heightPx = 56;

export interface Drawing {
  /** Draws what the data are now, in the width that the place has now. */
  update(): void;
  end(): void;
}

/** Draws a plot in `place`. `onPoint` is called with the index of the time to which the reader points, or without one. */
export function drawPlot(
  place: HTMLElement,
  latest: () => PlotData,
  onPoint: (index: number | undefined) => void,
): Drawing {
  const plot = new UPlot(optionsOf(place, latest, onPoint), dataOf(latest()), place);
  return {
    update: () => {
      if (plot.width !== place.clientWidth) plot.setSize({ width: place.clientWidth, height: heightPx });
      plot.setData(dataOf(latest()));
    },
    end: () => plot.destroy(),
  };
}

const dataOf = ({ times, series }: PlotData): UPlot.AlignedData => [
  times.map(at => at / 1000),
  ...series.map(({ values }) => [...values]),
];

function optionsOf(
  place: HTMLElement,
  latest: () => PlotData,
  onPoint: (index: number | undefined) => void,
): UPlot.Options {
  // A canvas does not know the colours of the page by name, and not `light-dark()`, so the browser is asked what they are now.
  const colour = (name: string) => {
    place.style.color = `var(${name})`;
    return getComputedStyle(place).color;
  };
  return {
    width: place.clientWidth,
    height: heightPx,
    legend: { show: false },
    cursor: { y: false, drag: { setScale: false, x: false }, points: { show: false } },
    scales: {
      x: { range: () => [latest().from / 1000, latest().to / 1000] },
      y: { range: () => [0, latest().top] },
    },
    axes: [{ show: false }, { show: false }],
    series: [
      {},
      ...latest().series.map(({ isLimit = false }) => ({
        stroke: colour(isLimit ? '--dim' : '--accent'),
        width: 1,
        points: { show: false },
        ...(isLimit ? { dash: [3, 3] } : { fill: colour('--tint') }),
      })),
    ],
    hooks: { setCursor: [({ cursor: { idx } }) => onPoint(idx ?? undefined)] },
  };
}
