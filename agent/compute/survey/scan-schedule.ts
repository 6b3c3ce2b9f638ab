// Repeats the slow parts of the survey in the background: the inventory every hour, the GPU scan every five minutes.
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
  /** Called when the inventory was taken. The agent's wiring sets it. */
  onInventory: () => void = () => undefined;
  /** Called when the GPUs were scanned: by an operator's wish, or on schedule. The agent's wiring sets it. */
  onGpuScan: (isByHand: boolean) => void = () => undefined;

  constructor(options: ScanScheduleOptions) {
    this.#options = options;
  }

  /** Takes the inventory and scans the GPUs soon, then again after each interval. */
  start(): void {
    this.#repeat('the inventory', inventoryIntervalMs, () => this.#takeInventory());
    this.#repeat('the GPU scan', gpuIntervalMs, () => this.#scanGpus(false));
  }

  /** Scans the GPUs now and asks every GPU source, beside the schedule. */
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

  // While one run hangs, no second one begins.
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
