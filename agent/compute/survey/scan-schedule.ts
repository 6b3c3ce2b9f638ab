// The scan schedule repeats the slow parts of the survey: the inventory every hour, the GPU scan every five minutes.
import type { Clock, Timer } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import type { MachineSurvey } from './survey.ts';

export interface ScanScheduleOptions {
  survey: Pick<MachineSurvey, 'takeInventory' | 'scanGpus'>;
  clock: Clock;
  log: Log;
}

const inventoryIntervalMs = 3_600_000;
const gpuIntervalMs = 300_000;

export class ScanSchedule {
  readonly #options: ScanScheduleOptions;
  readonly #timers = new Map<string, Timer>();
  /** Called when the inventory was taken. The agent sets it. */
  onInventory: () => void = () => undefined;
  /** Called when the GPUs were scanned; `isByHand` is true when an operator asked for it. The agent sets it. */
  onGpuScan: (isByHand: boolean) => void = () => undefined;

  constructor(options: ScanScheduleOptions) {
    this.#options = options;
  }

  /** Takes the inventory and scans the GPUs soon, then again after each interval. */
  start(): void {
    this.#repeat('the inventory', inventoryIntervalMs, () => this.#takeInventory());
    this.#repeat('the GPU scan', gpuIntervalMs, () => this.#scanGpus(false));
  }

  /** Scans the GPUs now and asks every GPU source. The schedule does not change. */
  scanNow(): void {
    void this.#logFailure('the GPU scan', this.#scanGpus(true));
  }

  stop(): void {
    for (const timer of this.#timers.values()) timer.cancel();
  }

  async #takeInventory(): Promise<void> {
    await this.#options.survey.takeInventory();
    this.onInventory();
  }

  async #scanGpus(isByHand: boolean): Promise<void> {
    await this.#options.survey.scanGpus(isByHand);
    this.onGpuScan(isByHand);
  }

  // While one run is not finished, the next one is skipped.
  #repeat(name: string, intervalMs: number, run: () => Promise<void>): void {
    const { clock } = this.#options;
    let isRunning = false;
    const turn = () => {
      this.#timers.set(name, clock.after(intervalMs, turn));
      if (isRunning) return;
      isRunning = true;
      void this.#logFailure(name, run()).then(() => {
        isRunning = false;
      });
    };
    this.#timers.set(name, clock.after(0, turn));
  }

  async #logFailure(name: string, run: Promise<void>): Promise<void> {
    try {
      await run;
    } catch (error) {
      this.#options.log.error({ err: error }, `${name} failed`);
    }
  }
}
