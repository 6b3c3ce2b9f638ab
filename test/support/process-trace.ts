// Which processes a program starts, as the kernel saw it: a trace of its system calls by strace, from its first on.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { reasonOf } from '../../agent/system/errors.ts';

const tracing = ['-f', '-qq', '--seccomp-bpf', '-e', 'trace=process'];

/** Why nothing can be traced here, a sentence; undefined where it can. */
export async function whyNoTrace(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'system calls are traced with strace, which is on Linux only';
  try {
    const { stderr } = await promisify(execFile)('strace', [...tracing, process.execPath, '-e', '0']);
    return /execve\(/.test(stderr) ? undefined : `strace (to trace system calls) shows none: ${stderr}`;
  } catch (error) {
    return `strace (to trace system calls) is not on PATH, or may not trace here: ${reasonOf(error)}`;
  }
}

export class ProcessTrace {
  readonly #file: string;
  #mark = 0;

  /** Of what is started by `launcher`, written to `file`. */
  constructor(file: string) {
    this.#file = file;
  }

  /** The words before a command that have it traced; it keeps the process id that it would have had. */
  get launcher(): string[] {
    return ['strace', '-D', ...tracing, '-o', this.#file];
  }

  /** All processes that were started since the last mark: the line of each. Sets the next mark. */
  async started(): Promise<string[]> {
    const lines = (await readFile(this.#file, 'latin1')).split('\n');
    const since = lines.slice(this.#mark);
    this.#mark = lines.length - 1;
    return since.filter(startsProcess);
  }
}

// A clone that shares its parent's thread group is a thread. What a line resumes was counted where it began.
function startsProcess(line: string): boolean {
  const call = /^\d+ +(execve|execveat|fork|vfork|clone|clone3)\(/.exec(line)?.[1];
  if (call === undefined) return false;
  return !(call.startsWith('clone') && line.includes('CLONE_THREAD'));
}
