// Sends the state of a role to its service manager with sd_notify(3): ready, a status line, a sign of life, reloading,
// stopping.
import type { Clock, Timer } from '../system/clock.ts';
import { reasonOf } from '../system/errors.ts';
import { type LimitedLog, limitedLog } from '../system/limited-log.ts';
import type { Log } from '../system/log.ts';
import { printable } from '../system/printable.ts';

/** The state of a role in the form that a service manager needs. */
export interface RoleState {
  /** Whether the role does its work. */
  readonly ready: boolean;
  /** One line for people. */
  readonly text: string;
  /** The work that has stopped although it should continue; undefined when everything runs in time. */
  readonly stalled?: string | undefined;
}

export interface StatusNotifier {
  /** Sends what `state` returns: now, at each `update`, and at regular intervals. `state` must not throw. */
  setSource(state: () => RoleState): void;
  /** Sends the state at once, because it has changed. */
  update(): void;
  /** Sends the state soon. For a state that changes often: a thousand calls in a second become one message. */
  updateSoon(): void;
  /** Tells the service manager that the configuration is being read again. */
  reloading(): void;
  /**
   * Tells the service manager that the configuration was read. `fault` is the reason why the new one was refused. It is
   * shown until a valid one is read.
   */
  reloaded(fault?: string): void;
  /** Tells the service manager that the role stops. Nothing is sent after this. */
  stopping(): void;
}

export interface NotifierOptions {
  /** Sends lines of `NAME=value` to the service manager. Throws when it cannot. */
  send(lines: string): void;
  /** Longest time between two signs of life, in milliseconds; undefined when the service manager asks for none. */
  watchdogMs?: number | undefined;
  /** Returns CLOCK_MONOTONIC, in microseconds. */
  microseconds(): bigint;
  clock: Clock;
  log: Log;
}

/**
 * Time after which the status line is sent again, in milliseconds, because the line says how long ago things happened.
 */
const refreshIntervalMs = 10_000;
const soonDelayMs = 1_000;
/**
 * Length of the longest texts, in characters. The service manager reads 4096 bytes of a message, and a character may need
 * six bytes.
 */
const longestChars = { text: 350, fault: 250 };

export class SdNotifier implements StatusNotifier {
  readonly #options: NotifierOptions;
  readonly #limitedLog: LimitedLog;
  #state: (() => RoleState) | undefined;
  #timer: Timer | undefined;
  #soonTimer: Timer | undefined;
  #ready = false;
  #reloading = false;
  #stopped = false;
  #lastText = '';
  #fault: string | undefined;
  #stalled: string | undefined;

  constructor(options: NotifierOptions) {
    this.#options = options;
    this.#limitedLog = limitedLog(options.log, options.clock);
  }

  setSource(state: () => RoleState): void {
    const first = !this.#state;
    this.#state = state;
    if (first) this.#refresh();
    else this.update();
  }

  update(): void {
    if (!this.#stopped) this.#send(this.#statusLines(false));
  }

  updateSoon(): void {
    if (this.#stopped) return;
    this.#soonTimer ??= this.#options.clock.after(soonDelayMs, () => {
      this.#soonTimer = undefined;
      this.update();
    });
  }

  reloading(): void {
    // A reload ends with READY. A service manager that still waits for the start would read it as the end of the start.
    if (!this.#ready || this.#stopped) return;
    this.#reloading = true;
    this.#send(['RELOADING=1', `MONOTONIC_USEC=${this.#options.microseconds()}`]);
  }

  reloaded(fault?: string): void {
    if (this.#stopped) return;
    this.#fault = fault;
    const end = this.#reloading ? ['READY=1'] : [];
    this.#reloading = false;
    this.#send([...end, ...this.#statusLines(false)]);
  }

  stopping(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#timer?.cancel();
    this.#soonTimer?.cancel();
    this.#send(['STOPPING=1', 'STATUS=stopping']);
  }

  // Sends the state again after a third of the watchdog's time, so that one late message does no harm.
  #refresh(): void {
    const { clock, watchdogMs = Number.POSITIVE_INFINITY } = this.#options;
    this.#timer = clock.after(Math.min(refreshIntervalMs, watchdogMs / 3), () => this.#refresh());
    this.#send(this.#statusLines(true));
  }

  #statusLines(again: boolean): string[] {
    const state = this.#state?.();
    if (!state) return [];
    const lines: string[] = [];
    if (state.ready && !this.#ready) {
      this.#ready = true;
      lines.push('READY=1');
    }
    const text = this.#statusText(state.text);
    if (again || text !== this.#lastText) lines.push(`STATUS=${text}`);
    this.#lastText = text;
    if (again && this.#options.watchdogMs !== undefined && this.#isOnSchedule(state))
      lines.push('WATCHDOG=1');
    return lines;
  }

  // Returns the text on one line and not too long. It may contain text from a requester, and a second line would be another
  // message.
  #statusText(text: string): string {
    const line = printable(text, longestChars.text);
    const fault = this.#fault && printable(this.#fault, longestChars.fault);
    return fault ? `${line}; the new configuration is refused, the old one stays in use: ${fault}` : line;
  }

  #isOnSchedule({ stalled }: RoleState): boolean {
    if (stalled && stalled !== this.#stalled) {
      const text =
        'this role has stalled: unless it goes on, the watchdog of the service manager will restart it';
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
      const text = 'the service manager cannot be notified';
      this.#limitedLog.warn(reasonOf(error), { err: error }, text);
    }
  }
}
