// What differs between two loads of the settings: what a reload takes up, and what waits for a restart.
import { isDeepStrictEqual } from 'node:util';
import { settingKeys, settingOf, settingValue } from './keys.ts';
import type { SettingKey, Settings } from './settings.ts';

export interface SettingsDifference {
  /** Changed, and may take effect now. */
  readonly now: SettingKey[];
  /** Changed, and takes effect when the program is started again. */
  readonly atRestart: SettingKey[];
}

export function compareSettings(before: Settings, after: Settings): SettingsDifference {
  const changed = settingKeys.filter(
    key => !isDeepStrictEqual(settingValue(before, key), settingValue(after, key)),
  );
  return {
    now: changed.filter(key => settingOf(key).reload),
    atRestart: changed.filter(key => !settingOf(key).reload),
  };
}
