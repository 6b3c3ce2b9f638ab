// Makes a log that keeps its lines for a test.
import type { Log, LogFields } from '../../agent/system/log.ts';

export interface LogLine {
  level: string;
  message: string;
  fields: LogFields;
}

export function recordLog(): { log: Log; lines: LogLine[] } {
  const lines: LogLine[] = [];
  const store = (level: string) => (fields: LogFields, message: string) => {
    lines.push({ level, message, fields });
  };
  return {
    lines,
    log: {
      trace: store('trace'),
      debug: store('debug'),
      info: store('info'),
      warn: store('warn'),
      error: store('error'),
    },
  };
}
