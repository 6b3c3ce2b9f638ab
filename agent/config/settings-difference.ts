// Compares the settings before and after a reload: some changes take effect at once, others at the next start.
import { isDeepStrictEqual } from 'node:util';
import { settingKeys, settingOf, settingValue } from './keys.ts';
import type { SettingKey, Settings } from './settings.ts';

export interface SettingsDifference {
  /** Settings that changed and can take effect now. */
  readonly now: SettingKey[];
  /** Settings that changed and take effect at the next start. */
  readonly atRestart: SettingKey[];
}

/** Returns the settings that changed. */
export function compareSettings(before: Settings, after: Settings): SettingsDifference {
  const changed = settingKeys.filter(
    key => !isDeepStrictEqual(settingValue(before, key), settingValue(after, key)),
  );
  return {
    now: changed.filter(key => settingOf(key).reload),
    atRestart: changed.filter(key => !settingOf(key).reload),
  };
}
