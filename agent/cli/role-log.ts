// The log of a long-running role, as the settings want it.
import { startedByService, systemEnvironment } from '../config/environment.ts';
import type { Settings } from '../config/settings.ts';
import { createLog } from '../system/log.ts';

export function roleLog(settings: Pick<Settings, 'log'>, role: string): ReturnType<typeof createLog> {
  const { level, format } = settings.log;
  const people = process.stderr.isTTY && !startedByService(systemEnvironment);
  return createLog({
    level,
    format: format === 'auto' ? (people ? 'text' : 'json') : format,
    base: { role },
  });
}
