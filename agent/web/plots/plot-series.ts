// Defines what a plot shows.

export interface PlotSeries {
  /** Such as `used`. */
  readonly label: string;
  /** One for each of the times; null where nothing is known. */
  readonly values: readonly (number | null)[];
  /** Whether it is drawn as a dashed line, and not as an area. */
  readonly isLimit?: boolean;
}

export interface PlotData {
  /** Milliseconds since 1970, ascending. */
  readonly times: readonly number[];
  readonly series: readonly PlotSeries[];
  /** The greatest value that the plot has room for. */
  readonly top: number;
  /** The beginning and the end of the time that it shows. */
  readonly from: number;
  readonly to: number;
}
