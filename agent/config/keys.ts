// The keys of the settings: their rows, their names in the environment and as flags, and the values at their paths.
import {
  type FlagKey,
  type SecretKey,
  type Setting,
  type SettingKey,
  type Settings,
  table,
} from './settings.ts';

export const settingKeys = Object.keys(table) as SettingKey[];

/** The row of `key`, as any row: what the loader and `config show` need to know of it. */
export function settingOf(key: SettingKey): Setting {
  return table[key];
}

/** `compute.heartbeatFrequency` is `MUSTER_COMPUTE_HEARTBEAT_FREQUENCY`. */
export function environmentName(key: SettingKey): string {
  return `MUSTER_${words(key).join('_').toUpperCase()}`;
}

/** `compute.heartbeatFrequency` is `--compute-heartbeat-frequency`. Secrets have none: every user can read a command line. */
export function flagName(key: FlagKey): string {
  return `--${words(key).join('-')}`;
}

export function isSecret(key: SettingKey): key is SecretKey {
  return settingOf(key).secret === true;
}

/** The settings that `values` gives by key; a key without a value is undefined. */
export function nestSettings(values: ReadonlyMap<SettingKey, unknown>): Settings {
  // The type is made from the same table as the object.
  return nestValues(settingKeys.map(key => [key, values.get(key)])) as Settings;
}

/** An object with each value at the path of its key, as a configuration file nests them. */
export function nestValues(values: Iterable<readonly [SettingKey, unknown]>): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const [key, value] of values) {
    const path = key.split('.');
    const last = path.pop() ?? key;
    let group = root;
    for (const name of path) {
      group[name] ??= {};
      group = group[name] as Record<string, unknown>;
    }
    group[last] = value;
  }
  return root;
}

/** The value at the path of `key`. */
export function settingValue(settings: Settings, key: SettingKey): unknown {
  return key.split('.').reduce<unknown>((group, name) => (group as Record<string, unknown>)[name], settings);
}

function words(key: SettingKey): string[] {
  return key
    .split('.')
    .flatMap(part => part.split(/(?=[A-Z])/))
    .map(word => word.toLowerCase());
}
