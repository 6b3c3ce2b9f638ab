// Finds which processes a program starts, from a trace of its system calls by strace.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { reasonOf } from '../../agent/system/errors.ts';

const tracing = ['-f', '-qq', '--seccomp-bpf', '-e', 'trace=process'];

/** Returns why nothing can be traced here; undefined when it can. */
export async function whyNoTrace(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'strace, which traces system calls, runs on Linux only';
  try {
    const { stderr } = await promisify(execFile)('strace', [...tracing, process.execPath, '-e', '0']);
    return /execve\(/.test(stderr) ? undefined : `strace shows no system calls: ${stderr}`;
  } catch (error) {
    return `strace is not on PATH, or may not trace here: ${reasonOf(error)}`;
  }
}

export class ProcessTrace {
  readonly #file: string;
  #mark = 0;

  /** Traces the commands that are started with `launcher`, and writes the trace to `file`. */
  constructor(file: string) {
    this.#file = file;
  }

  /** Returns the words to put before a command. The command keeps the process id that it would have without them. */
  get launcher(): string[] {
    return ['strace', '-D', ...tracing, '-o', this.#file];
  }

  /** Returns the trace's line of each process that was started since the last call. */
  async started(): Promise<string[]> {
    const lines = (await readFile(this.#file, 'latin1')).split('\n');
    const since = lines.slice(this.#mark);
    this.#mark = lines.length - 1;
    return since.filter(startsProcess);
  }
}

// A clone with CLONE_THREAD makes only a thread. strace may show one call on two lines, and only the first line counts.
function startsProcess(line: string): boolean {
  const call = /^\d+ +(execve|execveat|fork|vfork|clone|clone3)\(/.exec(line)?.[1];
  if (call === undefined) return false;
  return !(call.startsWith('clone') && line.includes('CLONE_THREAD'));
}
