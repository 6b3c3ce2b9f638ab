// Follows the log file of one process, and counts its lines. It finds what must never be in a log.
import { openSync, readSync } from 'node:fs';

export class ProcessLog {
  readonly name: string;
  readonly path: string;
  /** The descriptor to which the process writes. */
  readonly descriptor: number;
  readonly #counts = new Map<string, number>();
  /** Lines that show a fault of the program: a stack trace, or an error that nobody caught. */
  readonly faults: string[] = [];
  /**
   * Number of lines, without those that tell a decision, and those that tell of a node that came in by a join code: there
   * are as many as operators make and permit.
   */
  lines = 0;
  /** The lines that the caller asked for and has not taken yet. */
  readonly kept: string[] = [];
  readonly #keep: RegExp | undefined;
  #read = 0;
  #rest = '';

  /** Keeps the lines that match `keep`. */
  constructor(name: string, path: string, keep?: RegExp) {
    this.#keep = keep;
    this.name = name;
    this.path = path;
    this.descriptor = openSync(path, 'a+');
  }

  /** Reads what was written since the last call. */
  update(): void {
    const buffer = Buffer.alloc(1_048_576);
    for (;;) {
      const size = readSync(this.descriptor, buffer, 0, buffer.length, this.#read);
      if (size === 0) return;
      this.#read += size;
      const lines = (this.#rest + buffer.subarray(0, size).toString('utf8')).split('\n');
      this.#rest = lines.pop() ?? '';
      for (const line of lines) this.#take(line);
    }
  }

  /** Returns the most frequent messages with their counts, for a person who asks why there are so many lines. */
  mostFrequent(): string {
    const sorted = [...this.#counts].sort(([, a], [, b]) => b - a).slice(0, 5);
    return sorted.map(([message, count]) => `${count} × ${message}`).join('; ');
  }

  #take(line: string): void {
    if (this.#keep?.test(line)) this.kept.push(line);
    const message = messageOf(line);
    if (/^node (approved|rejected|deleted)$|^a new key was pinned to a node$/.test(message)) return;
    this.lines++;
    this.#counts.set(message, (this.#counts.get(message) ?? 0) + 1);
    if (isFault(line)) this.faults.push(line);
  }
}

const messageOf = (line: string): string =>
  /"msg":"((?:[^"\\]|\\.)*)"/.exec(line)?.[1]?.replace(/\d+/g, '#') ?? 'a line without a message';

// V8 begins each line of a stack with `at` and ends it with a place in a file.
const isFault = (line: string): boolean =>
  /(^|\\n)\s+at .*:\d+:\d+/.test(line) || /"stack":|unhandled|uncaught|"level":"fatal"/i.test(line);
