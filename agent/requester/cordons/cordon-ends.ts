// Ends each cordon that ends by itself, when its time is over. Every requester measures the time, and the one that watches ends
// the cordon.
import type { Cordon } from '../../protocol/cordon.ts';
import type { NodeState } from '../../protocol/node-state.ts';
import type { Clock } from '../../system/clock.ts';
import { inGroups } from '../../system/in-groups.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { Rounds } from '../../system/rounds.ts';
import { BrokerError } from '../../transport/port.ts';
import type { RollObserver } from '../roll/roll-observer.ts';

/** How often the ends are looked at, and the time until another attempt when the store does not answer, in milliseconds. */
const lookMs = 1_000;
const retryMs = 5_000;
/** Number of cordons that are ended at the same time. */
const atOnce = 16;

export interface CordonEndsOptions {
  clock: Clock;
  log: Log;
  /** Ends the cordon of a node that ends at `until`, if the node still has it. @throws BrokerError */
  end(id: string, until: string): Promise<void>;
}

/** The end of a cordon: as it stands in the record, and when it comes, in monotonic milliseconds. */
interface End {
  until: string;
  dueMs: number;
}

/**
 * The clocks of two requesters may differ by a day. So whoever hears of a cordon measures its length on its own monotonic clock,
 * and the wall clock counts only for a cordon that was there at the start, or came back with its node. A clock that was set
 * ahead while no requester ran makes the cordon shorter by that, and one that was set back makes it longer by that at most: from
 * a start on, it never lasts longer than its whole length.
 */
export class CordonEnds implements RollObserver {
  readonly #options: CordonEndsOptions;
  readonly #limitedLog: LimitedLog;
  readonly #ends = new Map<string, End>();
  readonly #rounds: Rounds;

  constructor(options: CordonEndsOptions) {
    this.#options = options;
    this.#limitedLog = limitedLog(options.log, options.clock);
    this.#rounds = new Rounds({
      clock: options.clock,
      pauseMs: lookMs,
      isNeeded: () => this.#ends.size > 0,
      work: () => this.#endDue(),
    });
  }

  /** Notes the cordons that the store held at the start. */
  load(states: Iterable<NodeState>): void {
    const now = this.#options.clock.now().getTime();
    for (const { Info, Muster } of states) this.#note(Info.NodeID, Muster?.Cordon, now);
  }

  onRecord(id: string, state: NodeState, before: NodeState | undefined): void {
    // A node that was brought back, or whose record was written again, has a cordon of which part has passed.
    const now = before ? undefined : this.#options.clock.now().getTime();
    this.#note(id, state.Muster?.Cordon, now);
  }

  onRemoved(id: string): void {
    this.#ends.delete(id);
  }

  /** Begins to end cordons, because this requester begins to watch. Returns what ends that. */
  begin(): { stop(): void } {
    this.#rounds.start();
    return { stop: () => this.#rounds.stop() };
  }

  // `now` is the wall time when part of the cordon may have passed before this requester heard of it.
  #note(id: string, cordon: Cordon | undefined, now?: number): void {
    if (cordon?.Until === undefined) {
      this.#ends.delete(id);
      return;
    }
    const { Until: until } = cordon;
    if (this.#ends.get(id)?.until === until) return;
    this.#ends.set(id, { until, dueMs: this.#options.clock.monotonic() + remainingMs(cordon, until, now) });
    this.#rounds.plan();
  }

  async #endDue(): Promise<void> {
    const now = this.#options.clock.monotonic();
    const due = [...this.#ends].filter(([, { dueMs }]) => dueMs <= now);
    await inGroups(due, atOnce, ([id, end]) => this.#end(id, end));
  }

  async #end(id: string, end: End): Promise<void> {
    const { clock, log } = this.#options;
    if (!this.#rounds.isOn) return;
    // When it is ended, the record tells so. When nothing was written, the record has another cordon, or none.
    end.dueMs = clock.monotonic() + retryMs;
    try {
      await this.#options.end(id, end.until);
      log.info({ node: id, until: end.until }, 'the time of a cordon is over');
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      this.#limitedLog.warn(
        'cordon',
        { node: id, err: error },
        'a cordon could not be ended; it is tried again',
      );
    }
  }
}

/** Returns the time until a cordon ends, at most its whole length: from its last change to its end. */
function remainingMs({ At }: Cordon, until: string, now: number | undefined): number {
  const wholeMs = Math.max(0, Date.parse(until) - Date.parse(At));
  return now === undefined ? wholeMs : Math.min(wholeMs, Math.max(0, Date.parse(until) - now));
}
