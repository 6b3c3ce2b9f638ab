// Writes to standard output. Making Node's stream for it is an eighth of the time of a short command, so the stream is made
// only for what cannot be written at once.
import { writeSync } from 'node:fs';
import { errnoOf } from '../system/errors.ts';

let stream: NodeJS.WriteStream | undefined;
let onFailure: (error: Error) => void = error => {
  throw error;
};

/** Sets the function that is called when standard output cannot be written. */
export function onOutputFailure(fn: (error: Error) => void): void {
  onFailure = fn;
}

/** Returns the stream. */
export function standardOutput(): NodeJS.WriteStream {
  stream ??= process.stdout.on('error', error => onFailure(error));
  return stream;
}

/** Returns the stream if anything was written to it. */
export const usedOutput = (): NodeJS.WriteStream | undefined => stream;

/** Writes `text` after everything that was written before. */
export function writeOutput(text: string): void {
  if (stream) stream.write(text);
  else writeAtOnce(Buffer.from(text));
}

function writeAtOnce(bytes: Buffer): void {
  let rest = bytes;
  try {
    while (rest.length > 0) rest = rest.subarray(writeSync(1, rest));
  } catch (error) {
    // Another process has made the pipe one that does not wait.
    if (errnoOf(error) === 'EAGAIN') standardOutput().write(rest);
    else onFailure(error as Error);
  }
}
