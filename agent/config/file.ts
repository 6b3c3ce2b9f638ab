// Finds the configuration file and reads it: the one that --config names, else the first of the usual places.
import { isUtf8 } from 'node:buffer';
import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { errnoOf, MusterError } from '../system/errors.ts';
import { readBounded } from '../system/files.ts';
import { type Environment, namedFolders } from './environment.ts';
import { isSecret } from './keys.ts';
import { type SettingEntry, type Source, whyUnreadable } from './sources.ts';

export interface ConfigFile extends Source {
  /** undefined when there is none. */
  readonly path: string | undefined;
  /** Where it was looked for, in order. */
  readonly places: string[];
  readonly warnings: string[];
}

export interface FileOptions {
  /** `--config`; it must exist. Without it, the usual places are looked through, and may hold none. */
  configFile?: string | undefined;
  /** For commands of an ordinary user: a file in a usual place that may not be read is passed over with a warning. */
  skipUnreadable?: boolean;
}

const maxSize = 1024 * 1024;

export async function readConfigFile(options: FileOptions, environment: Environment): Promise<ConfigFile> {
  if (options.configFile !== undefined) {
    const path = resolve(options.configFile);
    const absent = [`${path}: there is no such file`];
    return {
      places: [path],
      ...((await readOne(path, environment)) ?? { path, entries: [], faults: absent, warnings: [] }),
    };
  }
  const own = await ownPlace(environment);
  const warnings: string[] = [];
  const places = [...machinePlaces(environment), ...own];
  for (const path of places) {
    const file = await readOne(path, environment);
    // HOME may still be that of the user who started this one.
    if (file?.denied && (options.skipUnreadable || own.includes(path))) {
      warnings.push(`${path}: cannot be read: permission denied; going on without it`);
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

/** The user's own file; none under a service manager that names folders, where there may be no home to look for. */
async function ownPlace(environment: Environment): Promise<string[]> {
  if (namedFolders(environment, 'CONFIGURATION_DIRECTORY').length > 0) return [];
  const user = await environment.user();
  return user ? [join(user.config, 'config.yaml')] : [];
}

async function readOne(
  path: string,
  environment: Environment,
): Promise<(Omit<ConfigFile, 'places'> & { denied: boolean }) | undefined> {
  const file = await readConfigText(path);
  if (!file) return undefined;
  if ('fault' in file) return { path, entries: [], faults: [file.fault], warnings: [], denied: file.denied };
  const { readYaml } = await import('./yaml.ts');
  const { entries, faults } = readYaml(file.text, path);
  const ofService = process.platform === 'linux' && dirname(path) === environment.machine.config;
  return { path, entries, faults, warnings: await exposed(path, entries, ofService), denied: false };
}

/** Errors of the system that pass, or are the disk's. */
const passing = new Set(['EAGAIN', 'EIO', 'EMFILE', 'ENFILE', 'ENOMEM', 'ESTALE']);

/**
 * The text of a configuration file of at most a mebibyte, or why there is none; undefined when there is no such file.
 * @throws MusterError `failed` when the system fails rather than the file.
 */
export async function readConfigText(
  path: string,
): Promise<{ text: string } | { fault: string; denied: boolean } | undefined> {
  try {
    const data = await readBounded(path, maxSize);
    if (!data) return undefined;
    return isUtf8(data)
      ? { text: data.toString() }
      : { fault: `${path}: is not text in UTF-8`, denied: false };
  } catch (error) {
    if (!(error instanceof MusterError)) throw error;
    const code = errnoOf(error.cause);
    // A part of the path is a file: a home of /dev/null has no configuration in it.
    if (code === 'ENOTDIR') return undefined;
    // No fault of the file's, and it may be over at the next try, which a service manager would not make of a bad configuration.
    if (code !== undefined && passing.has(code)) {
      throw new MusterError('failed', `${path}: cannot be read: ${whyUnreadable(error)}`, {
        hint: 'try again; muster doctor looks at the disk and at what else may be wrong',
        cause: error,
      });
    }
    return { fault: `${path}: cannot be read: ${whyUnreadable(error)}`, denied: code === 'EACCES' };
  }
}

/**
 * A warning when the file holds a secret that every user of the machine can read.
 * @param ofService a service of systemd may read it too, whose user exists only while it runs: closed, the file stops it
 */
async function exposed(path: string, entries: SettingEntry[], ofService: boolean): Promise<string[]> {
  const secrets = entries.flatMap(({ key }) => (isSecret(key) ? [key] : []));
  if (secrets.length === 0) return [];
  const file = await stat(path).catch(() => undefined);
  if (file === undefined || (file.mode & 0o004) === 0) return [];
  const held = secrets.join(' and ');
  const remedy = ofService
    ? `a service has to read it too: move that to ${secrets.map(key => `/etc/credstore/muster-ROLE.${key}`).join(' and ')}, or without a service chmod 640 it`
    : 'chmod 640 closes it';
  return [`${path}: every user of this machine can read it, and it holds ${held}; ${remedy}`];
}
