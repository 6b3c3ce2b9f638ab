// A log that keeps its lines for a test to look at.
import type { Log, LogFields } from '../../agent/system/log.ts';

export interface LogLine {
  level: string;
  message: string;
  fields: LogFields;
}

export function recordLog(): { log: Log; lines: LogLine[] } {
  const lines: LogLine[] = [];
  const keep = (level: string) => (fields: LogFields, message: string) => {
    lines.push({ level, message, fields });
  };
  return {
    lines,
    log: {
      trace: keep('trace'),
      debug: keep('debug'),
      info: keep('info'),
      warn: keep('warn'),
      error: keep('error'),
    },
  };
}
