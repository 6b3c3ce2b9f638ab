// SIGHUP, for either role: reads the settings again, and says what changes and what needs a restart.
import { compareSettings } from '../config/changes.ts';
import type { LoadedSettings } from '../config/load.ts';
import type { Settings } from '../config/settings.ts';
import type { StatusNotifier } from '../service/notifier.ts';
import { reasonOf } from '../system/errors.ts';
import type { createLog, Log } from '../system/log.ts';

export interface ReloadOptions {
  load: () => Promise<LoadedSettings>;
  log: ReturnType<typeof createLog>;
  service: StatusNotifier;
  /** Takes up what may change while the role runs. */
  apply(settings: Settings): void | Promise<void>;
}

/**
 * What SIGHUP does to a role that runs on `first`: says what changes and what needs a restart, applies the one, and keeps all
 * as it was when the new configuration is wrong. One reload at a time, and at most one that waits; the answer never throws.
 */
export function createReloader(first: Settings, { load, log, service, apply }: ReloadOptions): () => void {
  let before = first;
  let turn: Promise<void> = Promise.resolve();
  const reload = async () => {
    service.reloading();
    try {
      const { settings, warnings } = await load();
      for (const warning of warnings) log.warn({}, warning);
      logChanges(first, before, settings, log);
      log.setLevel(settings.log.level);
      before = settings;
      await apply(settings);
      service.reloaded();
    } catch (error) {
      log.error({ err: error }, 'the new configuration is wrong; the old one stays in use');
      service.reloaded(reasonOf(error));
    }
  };
  let waiting = false;
  return () => {
    // One that has yet to begin reads what this one would.
    if (waiting) return;
    waiting = true;
    turn = turn.then(() => {
      waiting = false;
      return reload();
    });
  };
}

// What waits for a restart differs from what the role was started with, however often it was read since.
function logChanges(first: Settings, before: Settings, after: Settings, log: Log): void {
  const { now } = compareSettings(before, after);
  const { atRestart } = compareSettings(first, after);
  log.info({ changed: now }, 'configuration read again');
  if (atRestart.length > 0) log.warn({ changed: atRestart }, 'these settings change only with a restart');
}
