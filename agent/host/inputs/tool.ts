// The makers' tools, run so that one that hangs or babbles costs one process once, and never the agent.
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { startChild } from '../../system/child.ts';
import { type Clock, systemClock } from '../../system/clock.ts';
import { reasonOf } from '../../system/errors.ts';
import { HangLimiter, toTheSecond } from './hang-limiter.ts';
import type { Answer, Fault, Tool, ToolOutput } from './inputs.ts';

export interface ToolOptions {
  /** Milliseconds for one run. */
  deadline: number;
  signal?: AbortSignal | undefined;
  clock?: Clock | undefined;
  /** With which its file is looked for; shared with others that ask for files. */
  patience?: HangLimiter;
  /** How a process is started; a test has one that cannot be killed. */
  start?: typeof startChild;
}

/** What 64 GPUs say of themselves is below 100 kB. */
const outputLimit = 524_288;

export class ToolRunner {
  readonly #options: ToolOptions;
  readonly #clock: Clock;
  readonly #patience: HangLimiter;
  /** Programs that run, or were killed and are not gone, and when they were started. */
  readonly #running = new Map<string, Date>();

  constructor(options: ToolOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#patience = options.patience ?? new HangLimiter({ deadline: 1000, maxHung: 1, clock: this.#clock });
  }

  /** Runs the first of the tool's files that is there. One at a time, and no second one while the first hangs. */
  async run(tool: Tool, args: readonly string[]): Promise<Answer<ToolOutput>> {
    const began = this.#clock.monotonic();
    const answer = (what: { value: ToolOutput } | { fault: Fault }): Answer<ToolOutput> => ({
      ...what,
      took: this.#clock.monotonic() - began,
    });
    const found = await this.#find(tool);
    if (typeof found !== 'string') return answer({ fault: found });
    const since = this.#running.get(found);
    if (since !== undefined) {
      const reason = `was not started again, as the one of ${toTheSecond(since)} has not ended`;
      return answer({ fault: { kind: 'late', reason } });
    }
    this.#running.set(found, this.#clock.now());
    const { start = startChild, deadline, signal } = this.#options;
    const child = start(found, args, { deadline, signal, clock: this.#clock, limit: outputLimit });
    const freed = child.gone.then(() => this.#running.delete(found));
    const outcome = await child.outcome;
    switch (outcome.kind) {
      case 'ended': {
        await freed;
        const { status, stdout, stderr } = outcome;
        return answer({ value: { program: found, status, stdout, stderr } });
      }
      case 'late': {
        const reason = `did not end within ${this.#options.deadline / 1000} s and was killed`;
        return answer({ fault: { kind: 'late', reason } });
      }
      case 'too_long':
        return answer({
          fault: { kind: 'failed', reason: `said more than ${outputLimit} bytes and was killed` },
        });
      case 'stopped':
        return answer({ fault: { kind: 'failed', reason: 'was stopped' } });
      case 'not_started':
        return answer({
          fault: { kind: 'failed', reason: `could not be started: ${reasonOf(outcome.cause)}` },
        });
    }
  }

  async #find({ name, folders }: Tool): Promise<string | Fault> {
    let fault: Fault = { kind: 'absent', reason: `is in none of ${folders.join(', ')}` };
    for (const folder of folders) {
      const path = join(folder, name);
      const answer = await this.#patience.ask(path, () => access(path, constants.X_OK));
      if (!answer.fault) return path;
      if (answer.fault.kind === 'late') return answer.fault;
      if (answer.fault.kind !== 'absent') fault = { kind: 'denied', reason: `may not be run (${path})` };
    }
    return fault;
  }
}
