// Reads the response of the HTTP API, whole or line by line, up to a size limit.
import type { IncomingMessage } from 'node:http';
import { ProtocolError } from '../protocol/error.ts';
import { timeoutError } from './explain.ts';

/** Size of the largest answer that is read, in bytes. It is enough for about 200 000 nodes. */
const maxAnswerBytes = 256 * 1024 * 1024;
/** Length of the longest line of a stream, in characters. An event has at most 64 KiB. */
const maxLineLength = 128 * 1024;

/** Returns the whole body. @throws ProtocolError `too_large` */
export async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxAnswerBytes)
      throw new ProtocolError('too_large', `an answer of more than ${maxAnswerBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/**
 * Yields the lines of a stream, without the empty ones. `silenceMs` is the longest time in milliseconds that may pass before
 * something comes, an empty line too; the time in which the caller does not want a line does not count. @throws ProtocolError
 * `too_large`; `timeoutError()` after a silence
 */
export async function* readLines(response: IncomingMessage, silenceMs?: number): AsyncGenerator<string> {
  let rest = '';
  response.setEncoding('utf8');
  for await (const chunk of chunksOf(response, silenceMs)) {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    if (rest.length > maxLineLength)
      throw new ProtocolError('too_large', `a line of more than ${maxLineLength} characters`);
    yield* parts.filter(part => part !== '');
  }
}

async function* chunksOf(response: IncomingMessage, silenceMs: number | undefined): AsyncGenerator<string> {
  const chunks = (response as AsyncIterable<string>)[Symbol.asyncIterator]();
  try {
    for (;;) {
      const timer =
        silenceMs === undefined ? undefined : setTimeout(() => response.destroy(timeoutError()), silenceMs);
      const { value, done } = await chunks.next().finally(() => clearTimeout(timer));
      if (done) return;
      yield value;
    }
  } finally {
    await chunks.return?.();
  }
}

/** Parses JSON. @throws ProtocolError `malformed` */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ProtocolError('malformed', 'the answer is not JSON');
  }
}
