// Makes the settings of a machine on which nothing is configured.
import { resolveSettings } from '../../agent/config/load.ts';
import type { Settings } from '../../agent/config/settings.ts';

/** Returns every setting at its default. */
export function defaultSettings(): Settings {
  return resolveSettings([], undefined).settings;
}
