// Reads the settings again on SIGHUP, and logs which changes take effect now and which need a restart.

import type { LoadedSettings } from '../config/load.ts';
import type { Settings } from '../config/settings.ts';
import { compareSettings } from '../config/settings-difference.ts';
import type { StatusNotifier } from '../service/notifier.ts';
import { reasonOf } from '../system/errors.ts';
import type { createLog, Log } from '../system/log.ts';

export interface ReloadOptions {
  load: () => Promise<LoadedSettings>;
  log: ReturnType<typeof createLog>;
  notifier: StatusNotifier;
  /** Applies the settings that can change while the role runs. */
  apply(settings: Settings): void | Promise<void>;
}

/**
 * Returns the function that SIGHUP calls, for a role that was started with the settings `first`. When the new
 * configuration is wrong, the old one stays in use. One reload runs at a time, and at most one waits. The function never
 * throws.
 */
export function createReloader(first: Settings, { load, log, notifier, apply }: ReloadOptions): () => void {
  let before = first;
  let lastReload: Promise<void> = Promise.resolve();
  const reload = async () => {
    notifier.reloading();
    try {
      const { settings, warnings } = await load();
      for (const warning of warnings) log.warn({}, warning);
      logChanges(first, before, settings, log);
      log.setLevel(settings.log.level);
      before = settings;
      await apply(settings);
      notifier.reloaded();
    } catch (error) {
      log.error({ err: error }, 'the new configuration is wrong; the old one stays in use');
      notifier.reloaded(reasonOf(error));
    }
  };
  let waiting = false;
  return () => {
    // A reload that waits will read the same settings, so a second one need not wait.
    if (waiting) return;
    waiting = true;
    lastReload = lastReload.then(() => {
      waiting = false;
      return reload();
    });
  };
}

// Logs the changes. A setting needs a restart while it differs from its value at the start, also when it was read again
// since.
function logChanges(first: Settings, before: Settings, after: Settings, log: Log): void {
  const { now } = compareSettings(before, after);
  const { atRestart } = compareSettings(first, after);
  log.info({ changed: now }, 'configuration read again');
  if (atRestart.length > 0) log.warn({ changed: atRestart }, 'these settings change only with a restart');
}
