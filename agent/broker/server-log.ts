// Forwards the log lines of nats-server to our log.
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { readConnectionName } from '../protocol/connection-name.ts';
import type { Clock } from '../system/clock.ts';
import { limitedLog } from '../system/limited-log.ts';
import type { Log } from '../system/log.ts';
import { printable } from '../system/printable.ts';

/** The levels of nats-server and the levels of our log. What is information there is only a detail here. */
const levels = { TRC: 'trace', DBG: 'trace', INF: 'debug', WRN: 'warn', ERR: 'error', FTL: 'error' } as const;

/**
 * Forwards the lines of `output` to our log. A repeated error is forwarded once a minute, because a node with a wrong
 * token causes a line at each attempt. Returns a function that returns the last warning or error of the server itself. It is
 * called when the server has ended.
 */
export function forwardLog(output: Readable, clock: Clock, log: Log): () => string | undefined {
  const limited = limitedLog(log, clock);
  let lastProblem: string | undefined;
  createInterface({ input: output, crlfDelay: Number.POSITIVE_INFINITY }).on('line', line => {
    const [, kind, text = ''] = /\[(TRC|DBG|INF|WRN|ERR|FTL)\] (.*)$/.exec(line) ?? [undefined, 'WRN', line];
    const level = levels[kind as keyof typeof levels];
    // The lines of the banner consist of blanks, dashes and slashes.
    if (!/[A-Za-z0-9]{2}/.test(text)) return;
    const message = printable(text);
    const cut = readSlowConsumer(message);
    if (cut) {
      const { client, ...fields } = cut;
      return limited.warn(`slow ${client}`, { client, ...fields }, slowConsumerText(client));
    }
    if (level === 'debug' || level === 'trace') return log[level]({}, message);
    // What a client does wrong is no error of the broker, nor the reason of its end: any stranger can cause such a line.
    if (clientPrefix.test(message))
      return limited.warn(`client ${causeOf(message)}`, {}, withoutLogin(message));
    lastProblem = message;
    limited[level](`${level} ${causeOf(message)}`, {}, withoutLogin(message));
  });
  return () => lastProblem;
}

/** The beginning of a line about a client: its address, its number and what it says of itself. */
const clientPrefix = /^\S+ - cid:\d+ - ("[^"]*" - )*/;

/** Returns what is the same in all lines with one cause: not who the client is, nor the numbers and names in the line. */
const causeOf = (line: string): string =>
  line
    .replace(clientPrefix, '')
    .replace(/"[^"]*"/g, '"#"')
    .replace(/\d+/g, '#');

/** Returns the line without the key, the user or the token that a client has shown. Anybody can show anything. */
const withoutLogin = (line: string): string => line.replace(/(authentication error)\b.*/, '$1');

interface SlowConsumer {
  /** The name of the client, which is its node's id; its address when the server does not write the name. */
  client: string;
  address: string;
  /** The reason in the server's words. */
  reason: string;
}

const slowConsumerText = (client: string) =>
  `the broker cut off ${client}, which did not read its messages fast enough`;

/**
 * Reads the server's line about a client that it cut off because the client read too slowly; undefined for another line.
 * For the server that is mere information. Versions before 2.11 write no name.
 */
function readSlowConsumer(line: string): SlowConsumer | undefined {
  const pattern =
    /^(\S+) - cid:\d+ - (?:"v[^":]*:[^":]*:([^"]*)" - )?(?:"[^"]*" - )*Slow Consumer Detected: (.*)$/;
  const [, address, name, reason] = pattern.exec(line) ?? [];
  if (address === undefined || reason === undefined) return undefined;
  return { client: (name && readConnectionName(name)?.node) || name || address, address, reason };
}
