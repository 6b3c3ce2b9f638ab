// Creates the log of a running role, in the format of the settings or in the format that fits its reader.
import { startedByService, systemEnvironment, writesToJournal } from '../config/environment.ts';
import type { Settings } from '../config/settings.ts';
import { setMessageFormat } from '../output/terminal.ts';
import { createLog } from '../system/log.ts';

export function roleLog(settings: Pick<Settings, 'log'>, role: string): ReturnType<typeof createLog> {
  const { level, format, file } = settings.log;
  const service = startedByService(systemEnvironment);
  const people = file === undefined && process.stderr.isTTY && !service;
  const shape = format === 'auto' ? (people ? 'text' : 'json') : format;
  // Under a service manager the error that ends the role must be a line of the log, too.
  if (service) setMessageFormat(shape);
  return createLog({
    level,
    format: shape,
    priorities: writesToJournal(systemEnvironment),
    base: { role },
    file,
  });
}
