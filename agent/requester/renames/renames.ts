// Renames nodes, and brings to an end what another requester or an earlier process has begun.
import type { NodeState } from '../../protocol/node-state.ts';
import { nodeIdPattern } from '../../protocol/schema.ts';
import type { Clock } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import { Rounds } from '../../system/rounds.ts';
import { BrokerError } from '../../transport/port.ts';
import { type Decision, givenUp } from '../roll/decisions.ts';
import { withPinnedKey } from '../roll/node-key.ts';
import { beginRename, copyAgain, goneMeanwhile, leaveId, nextStep, withdraw } from '../roll/rename-rules.ts';
import type { Roll } from '../roll/roll.ts';
import type { RollObserver } from '../roll/roll-observer.ts';
import { absentRecord, type StoredRecord } from '../roll/stored-record.ts';

/** Time that whoever began a rename has to end it, and time between two attempts of another requester, in milliseconds. */
const resumeMs = 5_000;
/** Number of steps after which a rename is tried again later, because the record changes all the time. */
const maxSteps = 32;

export interface RenamesOptions {
  clock: Clock;
  log: Log;
  roll: Pick<Roll, 'records' | 'change' | 'compared' | 'refresh' | 'decisionTime'>;
  /** Returns when a node was last heard, in milliseconds since 1970; undefined when it never was. */
  lastSeenAt(id: string): number | undefined;
  /** Returns the key that is pinned to a node; undefined when none is. */
  publicKeyOf(id: string): string | undefined;
  /** Throws MusterError `conflict` when a node that is not on the roll yet has come in under this id. */
  refusePinned(newId: string, id: string): void;
}

/**
 * A rename writes a copy under the new id, which nobody sees; then it ends the former record, and with this one write the copy
 * counts for everybody. Whatever is killed, the requester that watches brings the rest to its end.
 */
export class Renames implements RollObserver {
  readonly #options: RenamesOptions;
  readonly #limitedLog: LimitedLog;
  /** The new ids for which this requester carries out an operator's rename. */
  readonly #busy = new Set<string>();
  /** The new ids of renames that are under way, and of some that have ended since. */
  readonly #left = new Set<string>();
  readonly #rounds: Rounds;

  constructor(options: RenamesOptions) {
    this.#options = options;
    this.#limitedLog = limitedLog(options.log, options.clock);
    this.#rounds = new Rounds({
      clock: options.clock,
      pauseMs: resumeMs,
      isNeeded: () => this.#left.size > 0,
      work: () => this.#resume(),
    });
  }

  /**
   * Gives the node `name` the id `newId`. @throws MusterError as `beginRename`; BrokerError when the store does not answer: then
   * the rename may stand, and is brought to an end, or nothing was done.
   */
  async rename(name: string, newId: string, decision: Decision): Promise<void> {
    const { roll, lastSeenAt, refusePinned } = this.#options;
    await roll.compared();
    if (nodeIdPattern.test(name)) await roll.refresh(name);
    const id = roll.records.resolveExact(name);
    // An earlier rename to this id may not have been tidied up.
    await this.#complete(id);
    const wish = { decision, at: roll.decisionTime(id), lastSeenAt: lastSeenAt(id) };
    this.#busy.add(newId);
    try {
      await roll.change(newId, stored => {
        const change = beginRename(stored, newId, this.#former(id), id, wish);
        refusePinned(newId, id);
        if (change.write && decision.isGivenUp?.()) throw givenUp(id);
        return change;
      });
      if (await this.#complete(newId).catch(throwDoubtful)) return;
      throw goneMeanwhile(id, newId, roll.records.stored(id));
    } finally {
      this.#busy.delete(newId);
    }
  }

  onArriving(id: string): void {
    this.#note(id);
  }

  onRecord(id: string, { Muster }: NodeState): void {
    if (Muster?.Arrival) this.#note(id);
  }

  onRemoved(): void {}

  /** Begins to bring renames to their ends, because this requester begins to watch. Returns what ends that. */
  begin(): { stop(): void } {
    for (const [id, stored] of this.#options.roll.records.entries())
      if (this.#isUnderWay(stored)) this.#left.add(id);
    this.#rounds.start();
    return this.#rounds;
  }

  #note(newId: string): void {
    this.#left.add(newId);
    this.#rounds.plan();
  }

  /** Brings those renames to their ends that others have left. */
  async #resume(): Promise<void> {
    const { roll } = this.#options;
    for (const newId of this.#left) {
      if (!this.#rounds.isOn) return;
      if (this.#busy.has(newId)) continue;
      if (this.#isUnderWay(roll.records.stored(newId))) await this.#resumeOne(newId);
      if (!this.#isUnderWay(roll.records.stored(newId))) this.#left.delete(newId);
    }
  }

  async #resumeOne(newId: string): Promise<void> {
    try {
      if (await this.#complete(newId))
        this.#options.log.info({ node: newId }, 'a rename was brought to its end');
    } catch (error) {
      if (!(error instanceof BrokerError || error instanceof MusterError)) throw error;
      const text = 'a rename could not be brought to its end; it is tried again';
      this.#limitedLog.warn('rename', { node: newId, err: error }, text);
    }
  }

  /** Returns what the store has under a former id, with the key that is pinned to it if the record names none. */
  #former(id: string): StoredRecord {
    return withPinnedKey(this.#options.roll.records.stored(id), this.#options.publicKeyOf(id));
  }

  #isUnderWay(stored: StoredRecord): boolean {
    return 'state' in stored && stored.state.Muster?.Arrival !== undefined;
  }

  /** Takes all steps that are left. Returns whether the node has its new id then. @throws BrokerError */
  async #complete(newId: string): Promise<boolean> {
    const { roll } = this.#options;
    const { records } = roll;
    for (let taken = 0; taken < maxSteps; taken++) {
      const stored = records.stored(newId);
      const formerId = ('state' in stored && stored.state.Muster?.FormerIDs?.[0]?.ID) || undefined;
      const former = () => (formerId === undefined ? absentRecord : this.#former(formerId));
      switch (nextStep(newId, stored, former())) {
        case 'copy':
          await roll.change(newId, newest => copyAgain(newId, newest, former()));
          break;
        case 'leave':
          if (formerId !== undefined)
            await roll.change(formerId, () => leaveId(newId, former(), records.stored(newId)));
          break;
        case 'settle':
          // Each change of a record that has arrived does it first.
          await roll.change(newId, () => ({}));
          break;
        case 'withdraw':
          // The former record is read again: an older one in memory must not take the new one away.
          if (formerId !== undefined) await roll.change(formerId, () => ({}));
          await roll.change(newId, newest => withdraw(newId, newest, former()));
          break;
        case 'wait':
          throw new BrokerError(
            'timeout',
            `the record of node ${formerId} cannot be read, so its rename waits`,
          );
        case 'none':
          return stored.kind === 'record';
      }
    }
    throw new BrokerError('timeout', `the record of node ${newId} changes faster than it can be written`);
  }
}

// The copy stands already, so the rename is brought to its end when the store answers again.
function throwDoubtful(error: unknown): never {
  if (!(error instanceof BrokerError)) throw error;
  throw new BrokerError('timeout', error.message, { cause: error });
}
