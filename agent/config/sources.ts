// Reads the settings in flags, in the environment and in the service manager's credentials, as text.
import { join } from 'node:path';
import { errnoOf, MusterError, reasonOf } from '../system/errors.ts';
import { printable } from '../system/printable.ts';
import { readBounded } from '../system/read-file.ts';
import { environmentName, flagName, isSecret, settingKeys } from './keys.ts';
import type { Input } from './kind.ts';
import { findNearest } from './nearest.ts';
import type { FlagKey, SettingKey } from './settings.ts';

/** The source of a value, in the words of `config show` and of faults. */
export type Origin =
  | 'default'
  | `file ${string}`
  | `credential ${string}`
  | `environment ${string}`
  | `flag ${string}`;

/** One setting of one source. Relative paths begin in `folder`, or in the working folder. */
export interface SettingEntry {
  readonly key: SettingKey;
  readonly input: Input;
  readonly origin: Origin;
  readonly folder?: string;
}

/** The settings of one source, and its faults, one line each. */
export interface Source {
  readonly entries: SettingEntry[];
  readonly faults: string[];
}

/** The values of flags by setting. A flag that was not given is undefined. */
export type Flags = { readonly [Key in FlagKey]?: string | number | boolean | readonly string[] | undefined };

/** Returns the settings of the command line. */
export function readFlags(flags: Flags): Source {
  const entries: SettingEntry[] = [];
  for (const [key, value] of Object.entries(flags) as [FlagKey, Flags[FlagKey]][]) {
    if (value === undefined) continue;
    const input = typeof value === 'object' ? value : String(value);
    entries.push({ key, input, origin: `flag ${flagName(key)}` });
  }
  return { entries, faults: [] };
}

/** Returns the settings of the `MUSTER_*` variables. An empty variable counts as not set. */
export function readEnvironment(variables: Readonly<Record<string, string | undefined>>): Source {
  const keys = new Map(settingKeys.map(key => [environmentName(key), key]));
  const entries: SettingEntry[] = [];
  const faults: string[] = [];
  for (const [name, value] of Object.entries(variables)) {
    if (!name.startsWith('MUSTER_') || !value || isServiceLink(name, value)) continue;
    const key = keys.get(name);
    const origin = `environment ${printable(name, 100)}` as const;
    if (key) entries.push({ key, input: value, origin });
    else faults.push(`${origin} is not a setting; ${suggest(findNearest(name, keys.keys()))}`);
  }
  return { entries, faults };
}

/** Returns the secrets that the service manager passes in files named after the settings, such as `nats.token`. */
export async function readCredentialFiles(folder: string | undefined): Promise<Source> {
  const entries: SettingEntry[] = [];
  const faults: string[] = [];
  for (const key of folder ? settingKeys.filter(isSecret) : []) {
    const file = join(folder ?? '', key);
    try {
      const data = await readBounded(file);
      const input = data?.toString().replace(/\r?\n$/, '');
      if (input !== undefined) entries.push({ key, input, origin: `credential ${file}` });
    } catch (error) {
      faults.push(`credential ${file}: cannot be read: ${whyUnreadable(error)}`);
    }
  }
  return { entries, faults };
}

/** Returns the reason why `readBounded` failed, without the path, because the sentence around it contains the path. */
export function whyUnreadable(error: unknown): string {
  const cause = error instanceof MusterError ? error.cause : error;
  return errnoOf(cause) === 'EACCES' ? 'permission denied' : reasonOf(cause);
}

/** Returns the end of a sentence about an unknown setting. */
export function suggest(near: string | undefined): string {
  return near ? `did you mean ${near}?` : '"muster config show" lists the settings';
}

/**
 * Returns whether a variable comes from Kubernetes. Kubernetes describes every service in the environment of each
 * container, with names such as MUSTER_SERVICE_HOST, MUSTER_PORT_4222_TCP and MUSTER_API_PORT=tcp://10.0.0.1:1234. A
 * Kubernetes service with the name muster must not stop the program.
 */
function isServiceLink(name: string, value: string): boolean {
  return (
    /_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$/.test(name) ||
    /_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name) ||
    (name.endsWith('_PORT') && /^(tcp|udp|sctp):\/\//.test(value))
  );
}
