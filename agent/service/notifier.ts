// Tells a service manager how a role does: ready, a line of status, a sign of life, reloading, stopping. sd_notify(3)
import type { Clock, Timer } from '../system/clock.ts';
import { reasonOf } from '../system/errors.ts';
import { type LimitedLog, limitedLog } from '../system/limited-log.ts';
import type { Log } from '../system/log.ts';
import { printable } from '../system/printable.ts';

/** How a role does, as its service manager wants to know it. */
export interface RoleState {
  /** It does what it is there for. */
  readonly ready: boolean;
  /** One line for people. */
  readonly text: string;
  /** What does not go on any more, although it should; undefined while all is on schedule. */
  readonly stalled?: string | undefined;
}

export interface StatusNotifier {
  /** Tells what `state` answers: now, at each `update`, and again and again. It must not throw. */
  setSource(state: () => RoleState): void;
  /** Something has changed: told at once. */
  update(): void;
  /** Something may have changed that changes often: a thousand of it in a second are told in one. */
  updateSoon(): void;
  /** The configuration is being read again. */
  reloading(): void;
  /** It has been; `fault` is why the new one was refused, and is shown until a better one is read. */
  reloaded(fault?: string): void;
  /** The role stops; the last that is told. */
  stopping(): void;
}

export interface NotifierOptions {
  /** Hands lines of `NAME=value` to the service manager. Throws when it cannot. */
  send(lines: string): void;
  /** Milliseconds within which it wants a sign of life each time. */
  watchdog?: number | undefined;
  /** CLOCK_MONOTONIC, in microseconds. */
  microseconds(): bigint;
  clock: Clock;
  log: Log;
}

/** Milliseconds between two lines of status, which say how long ago things were; and what `soon` is. */
const refreshIntervalMs = 10_000;
const soonDelayMs = 1_000;
/** Characters of the line, and of why a configuration was refused: each may take six bytes, and 4096 are read in all. */
const longestChars = { text: 350, fault: 250 };

export class SdNotifier implements StatusNotifier {
  readonly #options: NotifierOptions;
  readonly #limitedLog: LimitedLog;
  #state: (() => RoleState) | undefined;
  #timer: Timer | undefined;
  #later: Timer | undefined;
  #ready = false;
  #reloading = false;
  #stopped = false;
  #told = '';
  #fault: string | undefined;
  #stalled: string | undefined;

  constructor(options: NotifierOptions) {
    this.#options = options;
    this.#limitedLog = limitedLog(options.log, options.clock);
  }

  setSource(state: () => RoleState): void {
    const first = !this.#state;
    this.#state = state;
    if (first) this.#turn();
    else this.update();
  }

  update(): void {
    if (!this.#stopped) this.#send(this.#news(false));
  }

  updateSoon(): void {
    if (this.#stopped) return;
    this.#later ??= this.#options.clock.after(soonDelayMs, () => {
      this.#later = undefined;
      this.update();
    });
  }

  reloading(): void {
    // To a service manager that still waits for a start, the READY at the end of a reload would be the start's.
    if (!this.#ready || this.#stopped) return;
    this.#reloading = true;
    this.#send(['RELOADING=1', `MONOTONIC_USEC=${this.#options.microseconds()}`]);
  }

  reloaded(fault?: string): void {
    if (this.#stopped) return;
    this.#fault = fault;
    const end = this.#reloading ? ['READY=1'] : [];
    this.#reloading = false;
    this.#send([...end, ...this.#news(false)]);
  }

  stopping(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#timer?.cancel();
    this.#later?.cancel();
    this.#send(['STOPPING=1', 'STATUS=stopping']);
  }

  // A third of what the watchdog allows: one turn that comes late costs nothing.
  #turn(): void {
    const { clock, watchdog = Number.POSITIVE_INFINITY } = this.#options;
    this.#timer = clock.after(Math.min(refreshIntervalMs, watchdog / 3), () => this.#turn());
    this.#send(this.#news(true));
  }

  #news(again: boolean): string[] {
    const state = this.#state?.();
    if (!state) return [];
    const lines: string[] = [];
    if (state.ready && !this.#ready) {
      this.#ready = true;
      lines.push('READY=1');
    }
    const text = this.#line(state.text);
    if (again || text !== this.#told) lines.push(`STATUS=${text}`);
    this.#told = text;
    if (again && this.#options.watchdog !== undefined && this.#onSchedule(state)) lines.push('WATCHDOG=1');
    return lines;
  }

  // What the requester said may be in it: no second line, which would be another message, and no end of it.
  #line(text: string): string {
    const line = printable(text, longestChars.text);
    const fault = this.#fault && printable(this.#fault, longestChars.fault);
    return fault ? `${line}; the new configuration is refused, the old one stays in use: ${fault}` : line;
  }

  #onSchedule({ stalled }: RoleState): boolean {
    if (stalled && stalled !== this.#stalled) {
      const text = 'the watchdog is not fed: the service manager will start this anew unless it goes on';
      this.#options.log.error({ stalled }, text);
    }
    this.#stalled = stalled;
    return stalled === undefined;
  }

  #send(lines: string[]): void {
    if (lines.length === 0) return;
    const { send } = this.#options;
    try {
      send(lines.join('\n'));
    } catch (error) {
      const text = 'the service manager cannot be told how this goes';
      this.#limitedLog.warn(reasonOf(error), { err: error }, text);
    }
  }
}
