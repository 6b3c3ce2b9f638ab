// Fills the table of settings: flag over environment over credential over file over default, all faults reported at once.
import { MusterError } from '../system/errors.ts';
import { printable } from '../system/printable.ts';
import { rememberSecret } from '../system/secrets.ts';
import { type Environment, namedFolders, systemEnvironment } from './environment.ts';
import { type FileOptions, readConfigFile } from './file.ts';
import { isSecret, nestSettings, settingKeys, settingOf } from './keys.ts';
import { type Base, type Input, type Plain, Refusal } from './kind.ts';
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
  /** What the command line gives. */
  flags?: Flags;
  environment?: Environment;
  /** More that may be wrong between settings, for one who knows what they are for. */
  findMoreConflicts?: (settings: Settings) => SettingsConflict[];
}

export interface LoadedSettings {
  settings: Settings;
  origin: Readonly<Record<SettingKey, Origin>>;
  /** Doubtful, not wrong: a line each, starting with where it stands. */
  warnings: string[];
  /** The file that was read. */
  file: string | undefined;
  /** Where it was looked for, in order. */
  places: string[];
}

const maxFaults = 50;

/**
 * Reads every source and answers the settings.
 * @throws MusterError `bad_config`; its message has a line for each fault: where, key, what was found, what is allowed.
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
  // A file that could not be read, or was no YAML, gives nothing: what it sets is not known.
  const known = file.faults.length === 0 || file.entries.length > 0;
  const check = (settings: Settings) =>
    known ? [...findConflicts(settings), ...(options.findMoreConflicts?.(settings) ?? [])] : [];
  const { faults, warnings, ...settled } = resolveSettings(layers, environment.variables.HOME, check);
  if (faults.length > 0) throw badConfigError(faults);
  const { path, places } = file;
  return { ...settled, warnings: [...file.warnings, ...warnings], file: path, places };
}

/** The settings that `sources` give, the first before the rest, and what is wrong with them and between them. */
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
  for (const finding of check(settings)) {
    // What was refused stands at its default now, and says nothing about the rest.
    if (finding.keys.some(key => refused.has(key))) continue;
    (finding.severity === 'fault' ? faults : warnings).push(formatConflict(finding, origin));
  }
  return { settings, origin, faults, warnings };
}

/** Reads every entry; the first of a key is the one that counts, but a fault in a later one is a fault too. */
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
      faults.push(`${formatPlace(from)}${key}: ${describeInput(key, input, error)} ${error.message}`);
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

/** Every place that plays a part, and what is wrong there. */
function formatConflict({ keys, found, text }: SettingsConflict, origin: LoadedSettings['origin']): string {
  // The places are then those of the other settings.
  const mark = origin[keys[0]] === 'default' ? ' (the default)' : '';
  const value = found === undefined ? '' : `${found}${mark} `;
  return `${formatPlaces(keys, origin)}${keys[0]}: ${value}${text}`;
}

/** Where `keys` are set, as the beginning of a line about them. */
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

/** What was found, fit for a terminal; never a secret. */
export function describeInput(key: SettingKey, input: Input, refusal: Refusal): string {
  if (refusal.shown !== undefined) return printable(refusal.shown, 100);
  return isSecret(key) || typeof input !== 'string' ? 'the value' : `"${printable(input, 100)}"`;
}

function badConfigError(faults: string[]): MusterError {
  // Files line by line, then the rest by name. The collator takes 6 ms to make: only faults wait for it.
  const byPlace = new Intl.Collator('en', { numeric: true }).compare;
  const lines = faults.sort(byPlace).slice(0, maxFaults);
  if (faults.length > lines.length) lines.push(`and ${faults.length - lines.length} more faults`);
  return new MusterError('bad_config', lines.join('\n'));
}
