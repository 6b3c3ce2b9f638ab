// The environment is what the program gets from outside: variables, the user, and folders. Only this file reads process.env.
import { constants, fstatSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isPackaged } from '../system/packaged.ts';

export interface Environment {
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  /** Whether the process runs as root. */
  readonly root: boolean;
  /** The folder of the checkout, when the program runs from source; undefined for the packaged program. */
  readonly checkout?: string | undefined;
  /** The folders of the whole machine. */
  readonly machine: Folders;
  /** Returns the folders of this user; undefined when the user has no home folder. */
  user(): Promise<Folders | undefined>;
  /** Returns `device:inode` of standard error, as systemd writes it in JOURNAL_STREAM; undefined when it is closed. */
  errorStream(): string | undefined;
}

export interface Folders {
  readonly config: string;
  readonly data: string;
  readonly cache: string;
}

/** The environment of this process. */
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
      // env-paths reads the home folder when it is imported, and throws when a service has none.
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

/** Returns the folders that a service manager names in `variable`, such as `STATE_DIRECTORY`: a list with colons. */
export function namedFolders(environment: Environment, variable: string): string[] {
  return (environment.variables[variable] ?? '').split(':').filter(isAbsolute);
}

/**
 * Returns folders for a short-lived file, in order: those of the service, those of the user, those for everybody. Some
 * may not exist, or may not be writable.
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
 * Returns whether a service manager started this process. A shell that a service manager started passes its variables on.
 * So a variable counts only when it names this process or its standard error.
 */
export function startedByService(environment: Environment): boolean {
  const { NOTIFY_SOCKET, SYSTEMD_EXEC_PID } = environment.variables;
  if (NOTIFY_SOCKET || SYSTEMD_EXEC_PID === String(environment.pid)) return true;
  return writesToJournal(environment);
}

/**
 * Returns whether standard error goes to the journal, which accepts a priority before each line: sd-daemon(3),
 * systemd.exec(5).
 */
export function writesToJournal(environment: Environment): boolean {
  const { JOURNAL_STREAM } = environment.variables;
  return JOURNAL_STREAM !== undefined && JOURNAL_STREAM === environment.errorStream();
}

/** The way in which a service manager wants to be notified: sd_notify(3), sd_watchdog_enabled(3). */
export interface NotifyRequest {
  /** The address of the socket: a path, or `@` and a name in the abstract namespace. */
  readonly socket: string;
  /** Longest time between two signs of life, in milliseconds; undefined when the service manager does not ask for any. */
  readonly watchdogMs: number | undefined;
}

/** Returns what the service manager of this process asks for; undefined when it asks for nothing. */
export function notifyRequest(environment: Environment): NotifyRequest | undefined {
  const { NOTIFY_SOCKET, WATCHDOG_USEC = '', WATCHDOG_PID } = environment.variables;
  if (!NOTIFY_SOCKET) return undefined;
  const isOurs = WATCHDOG_PID === undefined || WATCHDOG_PID === String(environment.pid);
  const watchdogMs = /^[0-9]{1,15}$/.test(WATCHDOG_USEC) ? Number(WATCHDOG_USEC) / 1000 : 0;
  return { socket: NOTIFY_SOCKET, watchdogMs: isOurs && watchdogMs > 0 ? watchdogMs : undefined };
}

/**
 * Returns the request of the service manager of this process, and removes it from the environment. So no child process
 * can notify instead of this process.
 */
export function takeNotifyRequest(): NotifyRequest | undefined {
  const request = notifyRequest(systemEnvironment);
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete process.env[name];
  return request;
}

/**
 * Returns whether output may be coloured: only on a terminal, unless NO_COLOR (https://no-color.org) or TERM=dumb forbids
 * it.
 */
export function mayColour(environment: Environment, terminal: boolean): boolean {
  const { NO_COLOR, TERM } = environment.variables;
  return terminal && !NO_COLOR && TERM !== 'dumb';
}

/** Returns the absolute path of the program `name` on PATH, or undefined. Relative entries of PATH are ignored. */
export async function findOnPath(name: string, environment: Environment): Promise<string | undefined> {
  for (const folder of namedFolders(environment, 'PATH')) {
    const file = join(folder, name);
    if (await isProgram(file)) return file;
  }
  return undefined;
}

async function isProgram(file: string): Promise<boolean> {
  // It is loaded only here, because every command loads this file, but few need this function.
  const { access, stat } = await import('node:fs/promises');
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}
