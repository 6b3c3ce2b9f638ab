// Asks launchd about a service through launchctl. Its output is made for people, so only the needed lines are read.
import { commandFailed, type ManagerProgram, type ProgramOptions, runProgram } from './manager-program.ts';
import type { ServiceState } from './plan.ts';

/** The exit code of launchctl for a service that is not loaded. */
const notLoadedCode = 113;
const ps = '/bin/ps';

export class Launchctl implements ManagerProgram {
  readonly program: string;
  readonly #domain: string;
  readonly #options: ProgramOptions;

  /** @param domain `system`, or `gui/` followed by the user's number */
  constructor(program: string, domain: string, options: ProgramOptions = {}) {
    this.program = program;
    this.#domain = domain;
    this.#options = options;
  }

  async state(name: string): Promise<ServiceState> {
    const args = ['print', `${this.#domain}/${name}`];
    const [said, disabled] = await Promise.all([
      runProgram(this.program, args, this.#options),
      runProgram(this.program, ['print-disabled', this.#domain], this.#options),
    ]);
    if (said.status !== 0 && said.status !== notLoadedCode) throw commandFailed(this.program, args, said);
    const state = readPrint(said.status === 0 ? said.stdout : '', isDisabled(disabled.stdout, name));
    return state.pid === undefined ? state : { ...state, since: await this.#started(state.pid) };
  }

  async run(args: readonly string[]): Promise<void> {
    const said = await runProgram(this.program, args, this.#options);
    if (said.status !== 0) throw commandFailed(this.program, args, said);
  }

  async #started(pid: number): Promise<Date | undefined> {
    const options = { ...this.#options, env: { ...this.#options.env, TZ: 'UTC' } };
    const said = await runProgram(ps, ['-o', 'lstart=', '-p', String(pid)], options).catch(() => undefined);
    return said && readStart(said.stdout);
  }
}

/** Reads the output of `launchctl print` for a service; `text` is empty when the service is not loaded. */
export function readPrint(text: string, disabled: boolean): ServiceState {
  const properties = new Map<string, string>();
  for (const line of text.split('\n')) {
    // Only lines with one tab belong to the service itself. Deeper lines belong to one of its arguments or variables.
    const match = /^\t([a-z][a-z ]*) = (.*)$/.exec(line);
    if (match?.[1] && !properties.has(match[1])) properties.set(match[1], match[2] ?? '');
  }
  const loaded = text !== '';
  const pid = /^\d{1,10}$/.exec(properties.get('pid') ?? '')?.[0];
  const exit = /^(\d{1,3})/.exec(properties.get('last exit code') ?? '')?.[1];
  const signal = properties.get('last terminating signal');
  const ended = signal ?? (exit === undefined || exit === '0' ? undefined : `exit code ${exit}`);
  const running = pid !== undefined;
  return {
    loaded,
    // launchd loads every property list of the folder at boot, unless the service is disabled.
    enabled: !disabled,
    state: running ? 'running' : ended === undefined ? 'stopped' : 'failed',
    managerState: loaded ? (properties.get('state') ?? 'not known') : 'not loaded',
    since: undefined,
    pid: running ? Number(pid) : undefined,
    statusText: undefined,
    ended,
    restarts: undefined,
    unitChanged: false,
  };
}

/** Returns whether `launchctl print-disabled` lists `name` as disabled. Older versions print `true` for that. */
export function isDisabled(text: string, name: string): boolean {
  return text.split('\n').some(line => {
    const match = /^\s*"([^"]+)" => (\w+)$/.exec(line);
    return match?.[1] === name && (match[2] === 'disabled' || match[2] === 'true');
  });
}

/** Reads the start time of a process from `ps -o lstart=` in UTC, such as `Tue Nov 24 18:01:10 2026`. */
export function readStart(text: string): Date | undefined {
  const match = /^\w{3} (\w{3}) +(\d{1,2}) (\d\d:\d\d:\d\d) (\d{4})$/.exec(text.trim());
  const time = match ? Date.parse(`${match[2]} ${match[1]} ${match[4]} ${match[3]} UTC`) : Number.NaN;
  return Number.isNaN(time) ? undefined : new Date(time);
}
