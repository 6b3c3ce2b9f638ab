// What the program takes from its surroundings: the environment's variables, the user, the folders. Nothing else reads process.env.
import { constants, fstatSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isPackaged } from '../system/packaged.ts';

export interface Environment {
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  /** Is this the superuser? */
  readonly root: boolean;
  /** The folder of the checkout, when the program runs from source; undefined for the packaged program. */
  readonly checkout?: string | undefined;
  /** The folders of the whole machine. */
  readonly machine: Folders;
  /** The folders of this user; undefined when the user has no home. */
  user(): Promise<Folders | undefined>;
  /** `device:inode` of standard error, as systemd names it in JOURNAL_STREAM; undefined when it is closed. */
  errorStream(): string | undefined;
}

export interface Folders {
  readonly config: string;
  readonly data: string;
  readonly cache: string;
}

/** The real one. */
export const systemEnvironment: Environment = {
  get variables() {
    return process.env;
  },
  pid: process.pid,
  root: process.getuid?.() === 0,
  get checkout() {
    return isPackaged() ? undefined : join(fileURLToPath(import.meta.url), '../../..');
  },
  machine: { config: '/etc/muster', data: '/var/lib/muster', cache: '/var/cache/muster' },
  async user() {
    try {
      // env-paths looks for a home folder as it is imported, and throws where a service has none.
      const { default: envPaths } = await import('env-paths');
      const { config, data, cache } = envPaths('muster', { suffix: '' });
      return { config, data, cache };
    } catch {
      return undefined;
    }
  },
  errorStream() {
    try {
      const { dev, ino } = fstatSync(2);
      return `${dev}:${ino}`;
    } catch {
      return undefined;
    }
  },
};

/** The folders that a service manager names in `variable` (`STATE_DIRECTORY` and its like: a list with colons). */
export function namedFolders(environment: Environment, variable: string): string[] {
  return (environment.variables[variable] ?? '').split(':').filter(isAbsolute);
}

/**
 * Folders for a file that is gone again in a moment: those of the service first, then the user's own, then everybody's. Some
 * may not be there, or may not be written.
 */
export function scratchFolders(environment: Environment): string[] {
  const names = [
    'RUNTIME_DIRECTORY',
    'CACHE_DIRECTORY',
    'STATE_DIRECTORY',
    'XDG_RUNTIME_DIR',
    'XDG_CACHE_HOME',
  ];
  const own = [...names, 'TMPDIR'].flatMap(name => namedFolders(environment, name));
  return [...new Set([...own, '/dev/shm', '/tmp', '/var/tmp'])];
}

/**
 * Did a service manager start this very process? A terminal's shell may have been started by one too, and hands its
 * variables down, so each is believed only when it names this process or its standard error.
 */
export function startedByService(environment: Environment): boolean {
  const { NOTIFY_SOCKET, SYSTEMD_EXEC_PID } = environment.variables;
  if (NOTIFY_SOCKET || SYSTEMD_EXEC_PID === String(environment.pid)) return true;
  return writesToJournal(environment);
}

/** Is standard error the journal's? It then takes a priority before each line: sd-daemon(3), and systemd.exec(5). */
export function writesToJournal(environment: Environment): boolean {
  const { JOURNAL_STREAM } = environment.variables;
  return JOURNAL_STREAM !== undefined && JOURNAL_STREAM === environment.errorStream();
}

/** How a service manager wants to be told how a service does: sd_notify(3), sd_watchdog_enabled(3). */
export interface NotifyRequest {
  /** A path, or `@` and a name in the abstract namespace. */
  readonly socket: string;
  /** Milliseconds within which it wants a sign of life each time; undefined when it does not ask for one. */
  readonly watchdog: number | undefined;
}

/** What the service manager of this process asks for; undefined when it asks for nothing. */
export function notifyRequest(environment: Environment): NotifyRequest | undefined {
  const { NOTIFY_SOCKET, WATCHDOG_USEC = '', WATCHDOG_PID } = environment.variables;
  if (!NOTIFY_SOCKET) return undefined;
  const ours = WATCHDOG_PID === undefined || WATCHDOG_PID === String(environment.pid);
  const watchdog = /^[0-9]{1,15}$/.test(WATCHDOG_USEC) ? Number(WATCHDOG_USEC) / 1000 : 0;
  return { socket: NOTIFY_SOCKET, watchdog: ours && watchdog > 0 ? watchdog : undefined };
}

/** The same for the real process, taken out of its environment: no child is to speak in its name. */
export function takeNotifyRequest(): NotifyRequest | undefined {
  const request = notifyRequest(systemEnvironment);
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete process.env[name];
  return request;
}

/** May output be coloured? Only on a terminal, and not where NO_COLOR (https://no-color.org) or a dumb terminal forbids it. */
export function mayColour(environment: Environment, terminal: boolean): boolean {
  const { NO_COLOR, TERM } = environment.variables;
  return terminal && !NO_COLOR && TERM !== 'dumb';
}

/** The absolute path of the program `name` on PATH; undefined when it is not there. Relative entries of PATH are passed over. */
export async function findOnPath(name: string, environment: Environment): Promise<string | undefined> {
  for (const folder of namedFolders(environment, 'PATH')) {
    const file = join(folder, name);
    if (await isProgram(file)) return file;
  }
  return undefined;
}

async function isProgram(file: string): Promise<boolean> {
  // Every command asks its surroundings something, and few this: it would be most of what `version` loads of Node.
  const { access, stat } = await import('node:fs/promises');
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}
