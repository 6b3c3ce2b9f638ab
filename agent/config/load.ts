// Loads the settings from flags, the environment, credentials, the file and the defaults. An earlier source wins over a
// later one. All faults are reported together.
import { MusterError } from '../system/errors.ts';
import { printable } from '../system/printable.ts';
import { rememberSecret } from '../system/secrets.ts';
import { type Environment, namedFolders, systemEnvironment } from './environment.ts';
import { type FileOptions, readConfigFile } from './file.ts';
import { isSecret, nestSettings, settingKeys, settingOf } from './keys.ts';
import { type Base, type Input, type Plain, Refusal } from './kind.ts';
import type { Role } from './role.ts';
import type { SettingKey, Settings } from './settings.ts';
import { findConflicts, type SettingsConflict } from './settings-conflicts.ts';
import {
  type Flags,
  type Origin,
  readCredentialFiles,
  readEnvironment,
  readFlags,
  type SettingEntry,
  type Source,
} from './sources.ts';

export interface LoadOptions extends FileOptions {
  /** The values of flags. */
  flags?: Flags;
  environment?: Environment;
  /** The role that reads the settings; undefined when any role may. */
  role?: Role | undefined;
  /** Finds more conflicts, for a caller that knows which role the settings are for. */
  findMoreConflicts?: (settings: Settings) => SettingsConflict[];
}

export interface LoadedSettings {
  settings: Settings;
  origin: Readonly<Record<SettingKey, Origin>>;
  /** Warnings about doubtful settings, one line each, which begins with the place. */
  warnings: string[];
  /** Path of the file that was read. */
  file: string | undefined;
  /** The paths where the file was searched, in order. */
  places: string[];
  /** The reason why root does not use the file, as a line; undefined when root would use it. */
  refusedByRoot?: string | undefined;
}

const maxFaults = 50;

/**
 * Reads all sources and returns the settings. @throws MusterError `bad_config` with one line for each fault: the place,
 * the key, the value that was found, and what is allowed.
 */
export async function loadSettings(options: LoadOptions = {}): Promise<LoadedSettings> {
  const environment = options.environment ?? systemEnvironment;
  const file = await readConfigFile(options, environment);
  const layers = [
    readFlags(options.flags ?? {}),
    readEnvironment(environment.variables),
    await readCredentialFiles(namedFolders(environment, 'CREDENTIALS_DIRECTORY')[0]),
    file,
  ];
  // When the file could not be read or is not YAML, its settings are unknown, so conflicts cannot be found.
  const isFileKnown = file.faults.length === 0 || file.entries.length > 0;
  const check = (settings: Settings) =>
    isFileKnown
      ? [...findConflicts(settings, options.role), ...(options.findMoreConflicts?.(settings) ?? [])]
      : [];
  const { faults, warnings, ...resolved } = resolveSettings(layers, environment.variables.HOME, check);
  if (faults.length > 0) throw badConfigError(faults);
  const { path, places, refusedByRoot } = file;
  return { ...resolved, warnings: [...file.warnings, ...warnings], file: path, places, refusedByRoot };
}

/** Returns the settings of `sources` with all faults and warnings. An earlier source wins over a later one. */
export function resolveSettings(
  sources: readonly Source[],
  home: string | undefined,
  check: (settings: Settings) => SettingsConflict[] = findConflicts,
): Pick<LoadedSettings, 'settings' | 'origin' | 'warnings'> & { faults: string[] } {
  const entries = sources.flatMap(source => source.entries);
  const { values, origin, refused, faults } = readEntries(entries, home);
  const settings = nestSettings(values);
  faults.unshift(...sources.flatMap(source => source.faults));
  const warnings: string[] = [];
  for (const conflict of check(settings)) {
    // After a fault the setting has its default, which the operator did not choose. So this conflict is not shown.
    if (conflict.keys.some(key => refused.has(key))) continue;
    (conflict.severity === 'fault' ? faults : warnings).push(formatConflict(conflict, origin));
  }
  return { settings, origin, faults, warnings };
}

/** Reads all entries. The first value of a key counts, but a fault in a later one is reported too. */
function readEntries(entries: readonly SettingEntry[], home: string | undefined) {
  const values = new Map<SettingKey, unknown>();
  const origin = {} as Record<SettingKey, Origin>;
  const refused = new Set<SettingKey>();
  const faults: string[] = [];
  for (const { key, input, origin: from, folder = '' } of entries) {
    if (isSecret(key) && typeof input === 'string') rememberSecret(input);
    try {
      const value = settingOf(key).type.read(input, { folder, home });
      if (key in origin) continue;
      values.set(key, value);
      origin[key] = from;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      refused.add(key);
      const near = error.near ? `; did you mean ${error.near}?` : '';
      faults.push(`${formatPlace(from)}${key}: ${describeInput(key, input, error)} ${error.message}${near}`);
    }
  }
  for (const key of settingKeys) {
    if (key in origin) continue;
    values.set(key, defaultOf(key));
    origin[key] = 'default';
  }
  return { values, origin, refused, faults };
}

function defaultOf(key: SettingKey): unknown {
  const { type, default: plain } = settingOf(key);
  const base: Base = { folder: '/', home: undefined };
  return plain === undefined ? undefined : type.read(inputOf(plain), base);
}

function inputOf(plain: Plain): Input {
  if (typeof plain !== 'object') return String(plain);
  return Array.isArray(plain) ? plain : new Map(Object.entries(plain));
}

/** Returns a conflict as a sentence that begins with the places of its settings. */
function formatConflict(
  { keys, value, text, isAboutFirst, ofSecond }: SettingsConflict,
  origin: LoadedSettings['origin'],
): string {
  const [first, second] = keys;
  if (ofSecond && second && origin[first] === 'default' && origin[second] !== 'default')
    return `${formatPlaces([second], origin)}${second}: ${ofSecond.value} ${ofSecond.text}`;
  // A default has no place, so it is marked.
  const mark = origin[first] === 'default' ? ' (the default)' : '';
  const shown = value === undefined ? '' : `${value}${mark} `;
  const cited = isAboutFirst ? [first] : keys;
  return `${formatPlaces(cited, origin)}${first}: ${shown}${text}`;
}

/** Returns the places where `keys` are set, as the beginning of a line about them. */
export function formatPlaces(keys: readonly SettingKey[], origin: LoadedSettings['origin']): string {
  const places = new Set(keys.map(key => origin[key]).filter(from => from !== 'default'));
  return places.size === 0 ? '' : formatPlace([...places].map(withoutFileWord).join(', '));
}

function formatPlace(origin: string): string {
  return `${withoutFileWord(origin)}: `;
}

function withoutFileWord(origin: string): string {
  return origin.replace(/^file /, '');
}

/** Returns the value that was found, safe for a terminal, and never a secret. */
export function describeInput(key: SettingKey, input: Input, refusal: Refusal): string {
  if (refusal.shown !== undefined) return printable(refusal.shown, 100);
  return isSecret(key) || typeof input !== 'string' ? 'the value' : `"${printable(input, 100)}"`;
}

function badConfigError(faults: string[]): MusterError {
  // Compares two places. Faults of files come first, line by line. The collator takes 6 ms to create, so it is created only
  // for faults.
  const byPlace = new Intl.Collator('en', { numeric: true }).compare;
  const lines = faults.sort(byPlace).slice(0, maxFaults);
  if (faults.length > lines.length) lines.push(`and ${faults.length - lines.length} more faults`);
  return new MusterError('bad_config', lines.join('\n'));
}
