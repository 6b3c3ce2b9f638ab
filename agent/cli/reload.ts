// SIGHUP, for either role: reads the settings again, and says what changes and what needs a restart.
import { compareSettings } from '../config/changes.ts';
import type { LoadedSettings } from '../config/load.ts';
import type { Settings } from '../config/settings.ts';
import type { createLog, Log } from '../system/log.ts';

/** The settings to go on with, or undefined to keep the old ones; says what changes, and what needs a restart. */
export async function reload(
  load: () => Promise<LoadedSettings>,
  before: Settings,
  log: ReturnType<typeof createLog>,
): Promise<Settings | undefined> {
  try {
    const { settings, warnings } = await load();
    for (const warning of warnings) log.warn({}, warning);
    sayChanges(before, settings, log);
    log.setLevel(settings.log.level);
    return settings;
  } catch (error) {
    log.error({ err: error }, 'the new configuration is wrong; the old one stays in use');
    return undefined;
  }
}

function sayChanges(before: Settings, after: Settings, log: Log): void {
  const { now, atRestart } = compareSettings(before, after);
  log.info({ changed: now }, 'configuration read again');
  if (atRestart.length > 0) log.warn({ changed: atRestart }, 'these settings change only with a restart');
}
