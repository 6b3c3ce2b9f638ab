// Finds by the key of a setting its definition, its other names (environment, flag), and its value.
import type { Setting } from './setting.ts';
import { type FlagKey, type SecretKey, type SettingKey, type Settings, table } from './settings.ts';

export const settingKeys = Object.keys(table) as SettingKey[];

/** Returns the definition of `key`. */
export function settingOf(key: SettingKey): Setting {
  return table[key];
}

/** Returns the name in the environment: `MUSTER_COMPUTE_HEARTBEAT_FREQUENCY` for `compute.heartbeatFrequency`. */
export function environmentName(key: SettingKey): string {
  return `MUSTER_${words(key).join('_').toUpperCase()}`;
}

/** Returns the flag: `--compute-heartbeat-frequency`. Secrets have no flag, because every user can read a command line. */
export function flagName(key: FlagKey): string {
  return `--${words(key).join('-')}`;
}

/** Returns whether `key` is a secret. */
export function isSecret(key: SettingKey): key is SecretKey {
  return settingOf(key).secret === true;
}

/** Returns the settings with the values of `values`. A key without a value is undefined. */
export function nestSettings(values: ReadonlyMap<SettingKey, unknown>): Settings {
  // The cast is safe, because the type and the object are made from the same table.
  return nestValues(settingKeys.map(key => [key, values.get(key)])) as Settings;
}

/** Returns an object with each value at the path of its key, as in a configuration file. */
export function nestValues(values: Iterable<readonly [key: string, unknown]>): Record<string, unknown> {
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

/** Returns the value at the path of `key`. */
export function settingValue(settings: Settings, key: SettingKey): unknown {
  return key.split('.').reduce<unknown>((group, name) => (group as Record<string, unknown>)[name], settings);
}

function words(key: SettingKey): string[] {
  return key
    .split('.')
    .flatMap(part => part.split(/(?=[A-Z])/))
    .map(word => word.toLowerCase());
}
