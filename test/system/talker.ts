// This helper process logs what a test asks for, and writes on its standard output when it is done.
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { createLog, type LogFields } from '../../agent/system/log.ts';
import { rememberSecret } from '../../agent/system/secrets.ts';

interface Talk {
  level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';
  format: 'json' | 'text';
  priorities?: boolean;
  base?: LogFields;
  lines: { level: 'trace' | 'debug' | 'info' | 'warn' | 'error'; fields: LogFields; message: string }[];
  /** Number of times that all lines are written again. A reader that went away is noticed only after a while. */
  pauses?: number;
  /** A debug line that is written at the end, when standard input ends. */
  last?: string;
  file?: string;
  /** A secret that is read before the first line. */
  secret?: string;
}

const talk: Talk = JSON.parse(process.env.TALK ?? '{}');
const { base = {}, lines, pauses = 0, last, secret, ...options } = talk;
if (secret !== undefined) rememberSecret(secret);
const log = createLog({ ...options, base });
const withError = ({ err, ...fields }: LogFields): LogFields => {
  if (err === undefined) return fields;
  return {
    ...fields,
    err: Object.assign(new Error(String(err), { cause: new Error('its cause') }), { code: 'EX' }),
  };
};
for (let turn = 0; turn <= pauses; turn++) {
  for (const { level, fields, message } of lines) log[level](withError(fields), message);
  await pause(2);
}
if (process.stderr.writableLength > 2_000_000) process.stdout.write('too much waits to be written\n');
process.stdout.write('done\n');
if (last !== undefined) {
  await text(process.stdin);
  log.setLevel('debug');
  log.debug({}, last);
}
