// Ends the drain of a node when the node says that it runs nothing any more.
import { isDraining } from '../../protocol/cordon.ts';
import type { Clock } from '../../system/clock.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { BrokerError } from '../../transport/port.ts';
import type { ExecutionCounts } from '../roll/executions.ts';
import type { Roll } from '../roll/roll.ts';

export interface DrainsOptions {
  clock: Clock;
  log: Log;
  roll: Pick<Roll, 'records' | 'endDrain'>;
}

/**
 * The requester that a node's report came to ends the drain, whether it watches or not: the record says that it is over, so it
 * is told once. What a silent node said before counts for nothing, because only a report ends a drain, and one that comes after
 * the drain began.
 */
export class Drains {
  readonly #options: DrainsOptions;
  readonly #limitedLog: LimitedLog;
  readonly #ending = new Set<string>();

  constructor(options: DrainsOptions) {
    this.#options = options;
    this.#limitedLog = limitedLog(options.log, options.clock);
  }

  /** Takes notice of what a node has just said that it runs. */
  onReport(id: string, { running, waiting }: Pick<ExecutionCounts, 'running' | 'waiting'>): void {
    if (running > 0 || waiting > 0 || this.#ending.has(id)) return;
    const cordon = this.#options.roll.records.get(id)?.Muster?.Cordon;
    if (!cordon?.Drain || !isDraining(cordon)) return;
    this.#ending.add(id);
    void this.#end(id, cordon.Drain.At).finally(() => this.#ending.delete(id));
  }

  async #end(id: string, drainAt: string): Promise<void> {
    const { roll, log } = this.#options;
    try {
      if (await roll.endDrain(id, drainAt))
        log.info({ node: id }, 'this node is drained: it runs nothing any more');
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      // The next report of the node ends it.
      this.#limitedLog.warn(
        'drain',
        { node: id, err: error },
        'the end of a drain could not be stored; it is tried again',
      );
    }
  }
}
