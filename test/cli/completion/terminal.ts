// Runs an interactive shell at a terminal of its own and types into it. The program `script` of util-linux gives the
// terminal.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, constants } from 'node:fs/promises';
import type { TestContext } from 'node:test';
import { eventually } from '../../support/eventually.ts';

/** The program that gives a terminal. Only the one of Linux takes these options. */
const lender = '/usr/bin/script';

/** Returns why there is no terminal here; undefined when there is. */
export async function noTerminal(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'script(1) of this system takes other options';
  return access(lender, constants.X_OK).then(
    () => undefined,
    () => `there is no ${lender} to lend a terminal`,
  );
}

export interface TerminalOptions {
  cwd: string;
  env: Record<string, string>;
}

export class Terminal {
  readonly #child: ChildProcess;
  #shown = '';
  #read = 0;

  /** Runs `command`, a line for the shell. It ends with the test at the latest. */
  constructor(t: TestContext, command: string, { cwd, env }: TerminalOptions) {
    this.#child = spawn(lender, ['-qec', command, '/dev/null'], {
      cwd,
      env: { ...env, TERM: 'dumb', SHELL: '/bin/sh', LC_ALL: 'C.UTF-8' },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child.stdin?.on('error', () => undefined);
    this.#child.stdout?.setEncoding('utf8').on('data', text => {
      this.#shown += text;
    });
    const ended = once(this.#child, 'close');
    t.after(async () => {
      this.#child.kill('SIGKILL');
      await ended;
    });
  }

  type(keys: string): void {
    this.#child.stdin?.write(keys);
  }

  /** Waits until the terminal shows `pattern` from now on, and returns its first group. */
  async shows(pattern: RegExp): Promise<string> {
    let found: RegExpExecArray | undefined;
    await eventually(`the terminal shows ${pattern}; it showed:\n${this.#shown.slice(this.#read)}`, () => {
      found = pattern.exec(this.#shown.slice(this.#read)) ?? undefined;
      return found !== undefined;
    });
    this.#read += (found?.index ?? 0) + (found?.[0].length ?? 0);
    return found?.[1] ?? '';
  }
}
