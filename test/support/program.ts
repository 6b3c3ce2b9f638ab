// Runs the real program as processes: commands to their end, and roles that a test signals, kills and suspends.
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { eventually } from './eventually.ts';

/** The source, or in a run of scripts/test its bundle, which starts faster. */
export const ownMain =
  process.env.TEST_PROGRAM ?? fileURLToPath(new URL('../../agent/main.ts', import.meta.url));

export interface RunOptions {
  env?: Record<string, string>;
  cwd?: string;
  /** The text for standard input, which is then closed. */
  input?: string;
  uid?: number;
  gid?: number;
  /** A file descriptor for standard error, which is then not collected in `stderr`. */
  stderr?: number;
  /** A command that runs the command line after it, such as a tracer. */
  launcher?: string[];
  /** The entry file of another copy of the program. */
  main?: string;
  /** The command without arguments; the default is Node with `main`. */
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

/** A process of the program, which is killed when this process ends. */
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

  /** Closes the reading ends of its output, so that its next write fails with a broken pipe. */
  closeOutput(): void {
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
  }

  /** Sends SIGTERM and waits until it ends. */
  async stop(): Promise<Finished> {
    this.signal('SIGTERM');
    return this.finished;
  }

  /** Sends SIGKILL and waits until it ends. */
  async kill(): Promise<Finished> {
    this.signal('SIGKILL');
    return this.finished;
  }

  /** Resolves once its output matches. Rejects when it ends before that, and after the deadline of `eventually`. */
  async untilPrinted(pattern: RegExp, deadlineMs?: number): Promise<void> {
    const command = this.args.join(' ');
    try {
      const isPrinted = () => {
        if (pattern.test(this.stdout) || pattern.test(this.stderr)) return true;
        if (this.running) return false;
        throw new Error(`${command} has ended`);
      };
      await eventually(`${command} prints ${pattern}`, isPrinted, deadlineMs);
    } catch (cause) {
      throw new Error(`${command} did not print ${pattern}, but:\n${this.stdout}${this.stderr}`, { cause });
    }
  }

  /** Returns the lines of its JSON log with this message. */
  logged(message: string): Record<string, unknown>[] {
    // The last piece may be a part of a line that is on its way.
    return this.stderr
      .split('\n')
      .slice(0, -1)
      .filter(line => line.startsWith('{'))
      .map(line => JSON.parse(line) as Record<string, unknown>)
      .filter(line => line.msg === message);
  }
}

// Returns the environment without the tester's own settings, and without those of a service manager. In a run of
// scripts/test all processes share the compiled code, which saves half of the CPU time of a start.
function baseEnvironment(): Record<string, string> {
  const { PATH = '', HOME = '', TMPDIR = '/tmp', NODE_COMPILE_CACHE } = process.env;
  return { PATH, HOME, TMPDIR, LANG: 'C.UTF-8', ...(NODE_COMPILE_CACHE ? { NODE_COMPILE_CACHE } : {}) };
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
