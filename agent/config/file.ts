// Finds and reads the configuration file: the file of --config, or the first file in the usual places.
import { isUtf8 } from 'node:buffer';
import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { errnoOf, MusterError } from '../system/errors.ts';
import {
  describeWriter,
  findOtherWriter,
  type OtherWriter,
  trustOfRoot,
  writerRemedy,
} from '../system/path-trust.ts';
import { readBounded } from '../system/read-file.ts';
import { type Environment, namedFolders } from './environment.ts';
import { isSecret } from './keys.ts';
import { type SettingEntry, type Source, whyUnreadable } from './sources.ts';

export interface ConfigFile extends Source {
  /** Path of the file; undefined when there is none. */
  readonly path: string | undefined;
  /** The paths where a file was searched, in order. */
  readonly places: string[];
  readonly warnings: string[];
  /** The reason why root does not use the file, as a line; undefined when root would use it. */
  readonly refusedByRoot?: string | undefined;
}

export interface FileOptions {
  /** The file of `--config`, which must exist. Without it the usual places are tried; there may be no file. */
  configFile?: string | undefined;
  /**
   * Whether a file in a usual place is skipped with a warning when this user may not read it. Commands of an ordinary
   * user set it.
   */
  skipUnreadable?: boolean;
}

const maxSizeBytes = 1024 * 1024;

/**
 * Finds and reads the file. Faults and warnings are in the result. Throws MusterError `failed`, as `readConfigText` does.
 */
export async function readConfigFile(options: FileOptions, environment: Environment): Promise<ConfigFile> {
  if (options.configFile !== undefined) {
    const path = resolve(options.configFile);
    const absent = [`${path}: there is no such file`];
    return {
      places: [path],
      ...((await readFileAt(path, environment)) ?? { path, entries: [], faults: absent, warnings: [] }),
    };
  }
  const userPaths = await userPlaces(environment);
  const warnings: string[] = [];
  const places = [...machinePlaces(environment), ...userPaths];
  for (const path of places) {
    const file = await readFileAt(path, environment);
    // HOME may belong to another user who started this process, so an unreadable file there is skipped too.
    if (file?.denied && (options.skipUnreadable || userPaths.includes(path))) {
      warnings.push(`${path}: cannot be read: permission denied; it is skipped`);
    } else if (file?.isRefused && options.skipUnreadable && userPaths.includes(path)) {
      warnings.push(`${file.refusedByRoot}; it is skipped`);
    } else if (file) {
      return { ...file, places, warnings: [...warnings, ...file.warnings] };
    }
  }
  return { path: undefined, places, entries: [], faults: [], warnings };
}

function machinePlaces(environment: Environment): string[] {
  const named = namedFolders(environment, 'CONFIGURATION_DIRECTORY');
  return [...new Set([...named, environment.machine.config])].map(folder => join(folder, 'config.yaml'));
}

/**
 * Returns the path of the user's own file. Under a service manager that names folders there is none, because there may be
 * no home.
 */
async function userPlaces(environment: Environment): Promise<string[]> {
  if (namedFolders(environment, 'CONFIGURATION_DIRECTORY').length > 0) return [];
  const user = await environment.user();
  return user ? [join(user.config, 'config.yaml')] : [];
}

/** The result of reading one file. */
interface FileAt extends Omit<ConfigFile, 'places'> {
  /** Whether this user may not read it. */
  readonly denied: boolean;
  /** Whether this user is root, who refuses to use it. */
  readonly isRefused?: boolean;
}

async function readFileAt(path: string, environment: Environment): Promise<FileAt | undefined> {
  const file = await readConfigText(path);
  if (!file) return undefined;
  const empty = { path, entries: [], warnings: [], denied: false };
  if ('fault' in file) return { ...empty, faults: [file.fault], denied: file.denied };
  const { refusedByRoot, warning } = await judgeWriters(path, environment);
  if (refusedByRoot && environment.root)
    return { ...empty, faults: [refusedByRoot], refusedByRoot, isRefused: true };
  const { readYaml } = await import('./yaml.ts');
  const { entries, faults } = readYaml(file.text, path);
  const ofService = process.platform === 'linux' && dirname(path) === environment.machine.config;
  return {
    path,
    entries,
    faults,
    warnings: [...warning, ...(await warnOfExposedSecrets(path, entries, ofService))],
    denied: false,
    refusedByRoot,
  };
}

/** Errors of the system that may be temporary, or that come from the disk. */
const temporaryErrors = new Set(['EAGAIN', 'EIO', 'EMFILE', 'ENFILE', 'ENOMEM', 'ESTALE']);

/**
 * Returns the text of a configuration file of at most 1 MiB, or the reason why it cannot be read, or undefined when there
 * is no such file. @throws MusterError `failed` when the reason is a temporary error of the system.
 */
export async function readConfigText(
  path: string,
): Promise<{ text: string } | { fault: string; denied: boolean } | undefined> {
  try {
    const data = await readBounded(path, maxSizeBytes);
    if (!data) return undefined;
    return isUtf8(data)
      ? { text: data.toString() }
      : { fault: `${path}: is not text in UTF-8`, denied: false };
  } catch (error) {
    if (!(error instanceof MusterError)) throw error;
    const code = errnoOf(error.cause);
    // A part of the path is a file, so there is no configuration. An example is a home folder of /dev/null.
    if (code === 'ENOTDIR') return undefined;
    // The file may be right, and the next start may succeed. After `bad_config` a service manager would not try again.
    if (code !== undefined && temporaryErrors.has(code)) {
      throw new MusterError('failed', `${path}: cannot be read: ${whyUnreadable(error)}`, {
        hint: 'try again; "muster doctor" checks the disk and other possible causes',
        cause: error,
      });
    }
    return { fault: `${path}: cannot be read: ${whyUnreadable(error)}`, denied: code === 'EACCES' };
  }
}

/**
 * Finds out who else may change the file at `path`. Whoever may change it decides what a role does, and which library it
 * loads. So root refuses the file. Another user only gets a warning, also about a file that root would refuse.
 */
async function judgeWriters(
  path: string,
  environment: Environment,
): Promise<{ refusedByRoot?: string; warning: string[] }> {
  const isForRoot = environment.root || dirname(path) === environment.machine.config;
  const untrusted = isForRoot ? await findOtherWriter(path, trustOfRoot()) : undefined;
  const remedy = (writer: OtherWriter) => writerRemedy(path, writer, environment.machine.config);
  if (untrusted) {
    const line = `${path}: root does not use it, because ${describeWriter(untrusted)}; ${remedy(untrusted)}`;
    return { refusedByRoot: line, warning: [line] };
  }
  const writer = await findOtherWriter(path);
  if (!writer) return { warning: [] };
  const text = `others may change it: ${describeWriter(writer)}`;
  return { warning: [`${path}: ${text}; ${writer.byMode ? remedy(writer) : 'use a file of your own'}`] };
}

/**
 * Returns a warning when the file contains a secret that every user of the machine can read. @param ofService Whether a
 * systemd service with DynamicUser= may read the file. Such a service cannot start when it cannot read it.
 */
async function warnOfExposedSecrets(
  path: string,
  entries: SettingEntry[],
  ofService: boolean,
): Promise<string[]> {
  const secrets = entries.flatMap(({ key }) => (isSecret(key) ? [key] : []));
  if (secrets.length === 0) return [];
  const file = await stat(path).catch(() => undefined);
  if (file === undefined || (file.mode & 0o004) === 0) return [];
  const held = secrets.join(' and ');
  const remedy = ofService
    ? `a service must be able to read it too: move the secret to ${secrets.map(key => `/etc/credstore/muster-ROLE.${key}`).join(' and ')}, or, if there is no service, run chmod 640 on it`
    : 'run chmod 640 on it';
  return [`${path}: every user of this machine can read it, and it holds ${held}; ${remedy}`];
}
