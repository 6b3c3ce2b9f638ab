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
/** Time until the second attempt when one to take the inventory failed: a machine may be busy while it starts. */
const inventoryAgainMs = 60_000;
const gpuIntervalMs = 300_000;

export class ScanSchedule {
  readonly #options: ScanScheduleOptions;
  readonly #timers = new Map<string, Timer>();
  #hasInventoryFailed = false;
  #isStopped = false;
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
    this.#isStopped = true;
    for (const timer of this.#timers.values()) timer.cancel();
  }

  async #takeInventory(): Promise<number | undefined> {
    const isTaken = await this.#options.survey.takeInventory();
    this.onInventory();
    const isFirstFailure = !isTaken && !this.#hasInventoryFailed;
    this.#hasInventoryFailed = !isTaken;
    return isFirstFailure ? inventoryAgainMs : undefined;
  }

  async #scanGpus(isByHand: boolean): Promise<undefined> {
    await this.#options.survey.scanGpus(isByHand);
    this.onGpuScan(isByHand);
  }

  // While one run is not finished, the next one is skipped. A run may return the time until the next one, in milliseconds.
  #repeat(name: string, intervalMs: number, run: () => Promise<number | undefined>): void {
    let isRunning = false;
    const plan = (delayMs: number) => {
      this.#timers.get(name)?.cancel();
      this.#timers.set(name, this.#options.clock.after(delayMs, turn));
    };
    const turn = () => {
      plan(intervalMs);
      if (isRunning) return;
      isRunning = true;
      void this.#logFailure(name, run()).then(nextMs => {
        isRunning = false;
        if (nextMs !== undefined && !this.#isStopped) plan(nextMs);
      });
    };
    plan(0);
  }

  async #logFailure(name: string, run: Promise<number | undefined>): Promise<number | undefined> {
    try {
      return await run;
    } catch (error) {
      this.#options.log.error({ err: error }, `${name} failed`);
      return undefined;
    }
  }
}
