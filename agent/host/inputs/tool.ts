// Runs the tools of GPU vendors. A tool that hangs costs one process, is not started again, and never stops the agent.
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { startChild } from '../../system/child.ts';
import { type Clock, systemClock } from '../../system/clock.ts';
import { reasonOf } from '../../system/errors.ts';
import { HangLimiter, toTheSecond } from './hang-limiter.ts';
import type { Answer, Fault, Tool, ToolOutput } from './inputs.ts';

export interface ToolOptions {
  /** Time that one run may take, in milliseconds. */
  timeoutMs: number;
  signal?: AbortSignal | undefined;
  clock?: Clock | undefined;
  /** Limits the search for the tool's file. Other readers of files share it. */
  hangLimiter?: HangLimiter;
  /** Starts a process. A test passes one that cannot be killed. */
  start?: typeof startChild;
}

/** Limit for the output, in bytes. The answer for 64 GPUs is smaller than 100 kB. */
const outputLimitBytes = 524_288;

export class ToolRunner {
  readonly #options: ToolOptions;
  readonly #clock: Clock;
  readonly #hangLimiter: HangLimiter;
  /** Programs that run, or were killed but still exist, with the time of their start. */
  readonly #running = new Map<string, Date>();

  constructor(options: ToolOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#hangLimiter =
      options.hangLimiter ?? new HangLimiter({ timeoutMs: 1000, maxHung: 1, clock: this.#clock });
  }

  /** Runs the first file of the tool that exists. A tool that still runs or hangs is not started a second time. */
  async run(tool: Tool, args: readonly string[]): Promise<Answer<ToolOutput>> {
    const began = this.#clock.monotonic();
    const answer = (what: { value: ToolOutput } | { fault: Fault }): Answer<ToolOutput> => ({
      ...what,
      took: this.#clock.monotonic() - began,
    });
    const program = await this.#find(tool);
    if (typeof program !== 'string') return answer({ fault: program });
    const since = this.#running.get(program);
    if (since !== undefined) {
      const reason = `was not started again, because the run of ${toTheSecond(since)} has not ended`;
      return answer({ fault: { kind: 'late', reason } });
    }
    this.#running.set(program, this.#clock.now());
    const { start = startChild, timeoutMs, signal } = this.#options;
    const child = start(program, args, { timeoutMs, signal, clock: this.#clock, outputLimitBytes });
    const freed = child.gone.then(() => this.#running.delete(program));
    const outcome = await child.outcome;
    switch (outcome.kind) {
      case 'ended': {
        await freed;
        const { status, stdout, stderr } = outcome;
        return answer({ value: { program, status, stdout, stderr } });
      }
      case 'late': {
        const reason = `did not end within ${timeoutMs / 1000} s and was killed`;
        return answer({ fault: { kind: 'late', reason } });
      }
      case 'too_long':
        return answer({
          fault: { kind: 'failed', reason: `printed more than ${outputLimitBytes} bytes and was killed` },
        });
      case 'stopped':
        return answer({ fault: { kind: 'failed', reason: 'was stopped' } });
      case 'not_started':
        return answer({
          fault: { kind: 'failed', reason: `could not be started: ${reasonOf(outcome.cause)}` },
        });
    }
  }

  /** Returns the path of the first executable file, or why there is none. */
  async #find({ name, folders }: Tool): Promise<string | Fault> {
    let fault: Fault = { kind: 'absent', reason: `is in none of ${folders.join(', ')}` };
    for (const folder of folders) {
      const path = join(folder, name);
      const answer = await this.#hangLimiter.ask(path, () => access(path, constants.X_OK));
      if (!answer.fault) return path;
      if (answer.fault.kind === 'late') return answer.fault;
      if (answer.fault.kind !== 'absent') fault = { kind: 'denied', reason: `may not be run (${path})` };
    }
    return fault;
  }
}
