// Runs the real program as real processes: one-shot commands, and roles that are signalled, killed and suspended.
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { eventually } from './eventually.ts';

const ownMain = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));

export interface RunOptions {
  env?: Record<string, string>;
  cwd?: string;
  /** Written to standard input, which is closed then. */
  input?: string;
  uid?: number;
  gid?: number;
  /** A file descriptor for its standard error, in place of what `stderr` collects. */
  stderr?: number;
  /** Words before the command line, of a program that runs what follows them. */
  launcher?: string[];
  /** The entry file of another copy of the program. */
  main?: string;
  /** What is run, before the arguments: the program from source, unless it is given. */
  program?: readonly string[];
}

export interface Finished {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs `muster ARGS` to its end. */
export function muster(args: string[], options: RunOptions = {}): Promise<Finished> {
  return new Program(args, options).finished;
}

/** A process of the program that goes on until it is told to stop. */
export class Program {
  readonly args: string[];
  readonly finished: Promise<Finished>;
  readonly #child: ChildProcess;
  stdout = '';
  stderr = '';

  constructor(args: string[], options: RunOptions = {}) {
    this.args = args;
    const { env, cwd, input, uid, gid, launcher = [], main = ownMain, stderr = 'pipe' } = options;
    const { program = [process.execPath, main] } = options;
    const [command = '', ...words] = [...launcher, ...program, ...args];
    this.#child = spawn(command, words, {
      cwd,
      env: { ...baseEnvironment(), ...env },
      stdio: ['pipe', 'pipe', stderr],
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
    });
    running.add(this.#child);
    this.#child.stdin?.on('error', () => undefined);
    this.#child.stdin?.end(input ?? '');
    this.#child.stdout?.setEncoding('utf8').on('data', text => {
      this.stdout += text;
    });
    this.#child.stderr?.setEncoding('utf8').on('data', text => {
      this.stderr += text;
    });
    this.finished = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', (code, signal) => {
        running.delete(this.#child);
        resolve({ code, signal, stdout: this.stdout, stderr: this.stderr });
      });
    });
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('the program did not start');
    return this.#child.pid;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** As a reader that goes away: what it writes from now on finds its pipes broken. */
  hangUp(): void {
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
  }

  /** SIGTERM, and the end. */
  async stop(): Promise<Finished> {
    this.signal('SIGTERM');
    return this.finished;
  }

  /** SIGKILL, and the end. */
  async kill(): Promise<Finished> {
    this.signal('SIGKILL');
    return this.finished;
  }

  /** Resolves once a line of its output matches; fails when it ends before. */
  async says(pattern: RegExp): Promise<void> {
    await eventually(`${this.args.join(' ')} says ${pattern}; it said:\n${this.stdout}${this.stderr}`, () => {
      if (pattern.test(this.stdout) || pattern.test(this.stderr)) return true;
      if (this.running) return false;
      throw new Error(
        `${this.args.join(' ')} ended without saying ${pattern}:\n${this.stdout}${this.stderr}`,
      );
    });
  }

  /** The lines of its JSON log with this message. */
  logged(message: string): Record<string, unknown>[] {
    return this.stderr
      .split('\n')
      .filter(line => line.startsWith('{'))
      .map(line => JSON.parse(line) as Record<string, unknown>)
      .filter(line => line.msg === message);
  }
}

// Nothing of the tester's own settings, and nothing that a service manager would set.
function baseEnvironment(): Record<string, string> {
  const { PATH = '', HOME = '', TMPDIR = '/tmp' } = process.env;
  return { PATH, HOME, TMPDIR, LANG: 'C.UTF-8' };
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
