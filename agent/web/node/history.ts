// Turns the history of a node's resources into what its plots show.
import type { History, NodeHistory } from '../../protocol/http-history.ts';
import type { RollRow } from '../../protocol/roll-rows.ts';
import { sizeText } from '../../protocol/unit-text.ts';
import type { PlotData } from '../plots/plot-series.ts';

/** A plot without the time that it shows, which is that of all plots. */
export interface HistoryPlot extends Pick<PlotData, 'series' | 'top'> {
  readonly title: string;
  /** Returns a value with its unit. */
  text(value: number): string;
}

/** Returns the plots of a node: what it uses and has free, and what each GPU does. One of which nothing is known is left out. */
export function plotsOf(history: NodeHistory, { machine, capacity }: RollRow): HistoryPlot[] {
  const { Used, Available, GPUs } = history;
  const plots: HistoryPlot[] = [
    amountPlot('CPU', Used.CPU, Available.CPU, machine.cpus ?? capacity.cpu, countText),
    amountPlot('Memory', Used.Memory, Available.Memory, machine.memory ?? capacity.memory, sizeText),
    amountPlot('Disk', Used.Disk, Available.Disk, machine.disk ?? capacity.disk, sizeText),
    ...GPUs.flatMap(({ Index, Name, Utilisation, Memory }) => [
      gpuPlot(`GPU ${Index}`, Name, Utilisation, 100, value => `${Math.round(value)} %`),
      gpuPlot(`GPU ${Index} memory`, Name, Memory, greatest(Memory), value => sizeText(value * 1024 * 1024)),
    ]),
  ];
  return plots.filter(({ series }) => series.some(({ values }) => values.some(value => value !== null)));
}

function amountPlot(
  title: string,
  used: History,
  free: History,
  whole: number,
  text: (value: number) => string,
): HistoryPlot {
  const series = [
    { label: 'used', values: used },
    { label: 'free', values: free, isLimit: true },
  ];
  return { title, series, top: Math.max(whole, greatest(used), greatest(free)), text };
}

function gpuPlot(
  title: string,
  name: string,
  values: History,
  top: number,
  text: (value: number) => string,
): HistoryPlot {
  return { title: name ? `${title} (${name})` : title, series: [{ label: 'used', values }], top, text };
}

/** Returns the greatest of the values; 1 when they are all nothing, so that a plot has a height. */
const greatest = (values: History): number =>
  values.reduce<number>((most, value) => Math.max(most, value ?? 0), 0) || 1;

const countText = (value: number): string => String(Math.round(value * 10) / 10);
