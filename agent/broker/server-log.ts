// nats-server's own log lines, turned into ours.
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Clock } from '../system/clock.ts';
import { limitedLog } from '../system/limited-log.ts';
import type { Log } from '../system/log.ts';
import { printable } from '../system/printable.ts';

/** What it writes its lines with, and what they are to us: its information is our detail. */
const levels = { TRC: 'trace', DBG: 'trace', INF: 'debug', WRN: 'warn', ERR: 'error', FTL: 'error' } as const;

/**
 * Passes the lines on. An error that repeats is passed on once a minute: one node with a wrong token makes a line at
 * each attempt. Answers a function that tells the last complaint, for when the server has ended.
 */
export function forwardLog(output: Readable, clock: Clock, log: Log): () => string | undefined {
  const limited = limitedLog(log, clock);
  let complaint: string | undefined;
  createInterface({ input: output, crlfDelay: Number.POSITIVE_INFINITY }).on('line', line => {
    const [, kind, text = ''] = /\[(TRC|DBG|INF|WRN|ERR|FTL)\] (.*)$/.exec(line) ?? [undefined, 'WRN', line];
    const level = levels[kind as keyof typeof levels];
    // The banner is drawn of blanks, dashes and slashes.
    if (!/[A-Za-z0-9]{2}/.test(text)) return;
    const message = printable(text);
    if (level === 'debug' || level === 'trace') return log[level]({}, message);
    complaint = message;
    limited[level](`${level} ${message.replace(/\d+/g, '#')}`, {}, message);
  });
  return () => complaint;
}
