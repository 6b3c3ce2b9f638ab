// The log of a long-running role, as the settings and whoever reads it want it.
import { startedByService, systemEnvironment, writesToJournal } from '../config/environment.ts';
import type { Settings } from '../config/settings.ts';
import { setMessageFormat } from '../output/terminal.ts';
import { createLog } from '../system/log.ts';

export function roleLog(settings: Pick<Settings, 'log'>, role: string): ReturnType<typeof createLog> {
  const { level, format, file } = settings.log;
  const service = startedByService(systemEnvironment);
  const people = file === undefined && process.stderr.isTTY && !service;
  const shape = format === 'auto' ? (people ? 'text' : 'json') : format;
  // What ends a role under a service manager is a line of its log.
  if (service) setMessageFormat(shape);
  return createLog({
    level,
    format: shape,
    priorities: writesToJournal(systemEnvironment),
    base: { role },
    file,
  });
}
