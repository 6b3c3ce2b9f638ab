// Asks systemd about a service through `systemctl show`, and runs commands of systemctl.
import { MusterError } from '../system/errors.ts';
import {
  commandFailed,
  type ManagerProgram,
  type ProgramOptions,
  type ProgramOutput,
  runProgram,
} from './manager-program.ts';
import type { ServiceState } from './plan.ts';

const properties = [
  'LoadState',
  'UnitFileState',
  'ActiveState',
  'SubState',
  'StatusText',
  'MainPID',
  'Result',
  'ExecMainCode',
  'ExecMainStatus',
  'NRestarts',
  'NeedDaemonReload',
  'ActiveEnterTimestamp',
  'InactiveEnterTimestamp',
  'InactiveExitTimestamp',
];

export interface SystemctlOptions extends ProgramOptions {
  /** Whether to ask the systemd of one user (`systemctl --user`). */
  user: boolean;
  /** The other root, where no systemd runs; undefined for `/`. */
  root: string | undefined;
}

export class Systemctl implements ManagerProgram {
  readonly program: string;
  readonly #options: SystemctlOptions;

  constructor(program: string, options: SystemctlOptions) {
    this.program = program;
    // Every output uses UTC and no colours. Older versions have no option --timestamp=, so variables are used.
    this.#options = {
      ...options,
      env: { ...options.env, TZ: 'UTC', SYSTEMD_COLORS: '0', SYSTEMD_PAGER: '' },
    };
  }

  async state(name: string): Promise<ServiceState> {
    const { user, root } = this.#options;
    if (root !== undefined) return this.#offline(name, root);
    const args = [
      ...(user ? ['--user'] : []),
      'show',
      `--property=${properties.join(',')}`,
      '--no-pager',
      '--',
      name,
    ];
    const said = await this.#ask(args);
    if (said.status !== 0) throw commandFailed(this.program, args, said);
    return readShow(said.stdout);
  }

  async run(args: readonly string[]): Promise<void> {
    const said = await this.#ask(args);
    if (said.status !== 0) throw commandFailed(this.program, args, said);
  }

  /** Returns the version of systemd, such as 252; undefined when systemctl does not print one. */
  async version(): Promise<number | undefined> {
    const { stdout } = await this.#ask(['--version']);
    const version = /^systemd (\d{1,4})\b/.exec(stdout)?.[1];
    return version === undefined ? undefined : Number(version);
  }

  async #offline(name: string, root: string): Promise<ServiceState> {
    const { stdout } = await this.#ask([`--root=${root}`, 'is-enabled', name]);
    return { ...unknown, enabled: stdout.trim() === 'enabled' };
  }

  async #ask(args: readonly string[]): Promise<ProgramOutput> {
    const said = await runProgram(this.program, args, this.#options);
    if (said.status !== 0 && /booted with systemd|connect to bus|DBUS_SESSION_BUS/i.test(said.stderr)) {
      const hint = this.#options.user
        ? 'the systemd of this user does not run: log in as that user, or set XDG_RUNTIME_DIR=/run/user/UID'
        : 'this machine runs another service manager, or is a container without one; --root FOLDER only writes the files';
      throw new MusterError('unreachable', 'systemd does not answer on this machine', { hint });
    }
    return said;
  }
}

const unknown: ServiceState = {
  loaded: false,
  enabled: false,
  state: 'stopped',
  managerState: 'not found',
  since: undefined,
  pid: undefined,
  statusText: undefined,
  ended: undefined,
  restarts: undefined,
  unitChanged: false,
};

const states: Record<string, ServiceState['state']> = {
  active: 'running',
  reloading: 'running',
  refreshing: 'running',
  activating: 'starting',
  deactivating: 'stopping',
  failed: 'failed',
};

/** Reads the output of `systemctl show`, which has one property in each line. Missing properties count as unknown. */
export function readShow(text: string): ServiceState {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const at = line.indexOf('=');
    if (at > 0) values.set(line.slice(0, at), line.slice(at + 1));
  }
  const of = (name: string) => values.get(name) ?? '';
  const number = (name: string) => (/^\d{1,10}$/.test(of(name)) ? Number(of(name)) : undefined);
  const active = of('ActiveState');
  const state = states[active] ?? 'stopped';
  // A service that waits for its next restart does not run.
  const waits = of('SubState') === 'auto-restart' || of('SubState') === 'auto-restart-queued';
  return {
    loaded: of('LoadState') === 'loaded',
    enabled: ['enabled', 'enabled-runtime', 'linked'].includes(of('UnitFileState')),
    state: waits ? 'failed' : state,
    managerState:
      of('LoadState') === 'loaded' ? `${active} (${of('SubState')})` : of('LoadState') || 'not known',
    since: date(of(since[state])),
    pid: number('MainPID') || undefined,
    statusText: of('StatusText') || undefined,
    ended: ending(of('Result'), number('ExecMainCode'), number('ExecMainStatus')),
    restarts: number('NRestarts'),
    unitChanged: of('NeedDaemonReload') === 'yes',
  };
}

const since: Record<ServiceState['state'], string> = {
  running: 'ActiveEnterTimestamp',
  starting: 'InactiveExitTimestamp',
  stopping: 'InactiveExitTimestamp',
  stopped: 'InactiveEnterTimestamp',
  failed: 'InactiveEnterTimestamp',
};

/** Reads a date such as `Tue 2026-11-24 18:01:10 UTC`. */
function date(text: string): Date | undefined {
  const match = /^\w{3} (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC$/.exec(text);
  return match ? new Date(`${match[1]}T${match[2]}Z`) : undefined;
}

/** Describes how the last process ended. In the codes of waitid(2), 1 is an exit, and 2 and 3 are signals. */
function ending(result: string, code: number | undefined, status: number | undefined): string | undefined {
  if (result === '' || result === 'success') return undefined;
  if (result === 'exit-code' && code === 1) return `exit code ${status}`;
  return code === 2 || code === 3 ? `${result}, signal ${status}` : result;
}
