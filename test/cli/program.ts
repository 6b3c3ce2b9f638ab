// Runs the real program as a process of its own. It has only the settings that a test gives.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

/** The entry file of the program. */
export const main = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface ProgramOptions {
  env?: Record<string, string>;
  /** Options of Node itself. */
  nodeOptions?: readonly string[];
  /** A file descriptor for standard output. Then `outcome` does not collect it. */
  stdout?: number;
  /** The same for standard error. */
  stderr?: number;
  /** The text on standard input. Without it, standard input is empty. */
  input?: string;
}

/** Starts `muster ARGS` and collects its output. It ends with the test at the latest. */
export async function start(t: TestContext, args: readonly string[], options: ProgramOptions = {}) {
  const home = await temporaryFolder(t);
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  const child = spawn(process.execPath, [...(options.nodeOptions ?? []), main, ...args], {
    env: { PATH, HOME: home, ...(NODE_COMPILE_CACHE ? { NODE_COMPILE_CACHE } : {}), ...options.env },
    stdio: [
      options.input === undefined ? 'ignore' : 'pipe',
      options.stdout ?? 'pipe',
      options.stderr ?? 'pipe',
    ],
  });
  // A program that ends early does not read its input.
  child.stdin?.on('error', () => undefined).end(options.input);
  t.after(() => child.kill('SIGKILL'));
  const outcome: Outcome = { code: null, stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', text => {
    outcome.stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', text => {
    outcome.stderr += text;
  });
  return { child, outcome, ended: ending(child, outcome) };
}

/** Runs `muster ARGS` to its end. */
export async function muster(
  t: TestContext,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<Outcome> {
  return (await start(t, args, options)).ended;
}

/** Makes a folder that is removed with the test. */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-cli-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes a configuration file and returns its path. */
export async function configFile(t: TestContext, text: string): Promise<string> {
  const path = join(await temporaryFolder(t), 'config.yaml');
  await writeFile(path, text, { mode: 0o600 });
  return path;
}

async function ending(child: ChildProcess, outcome: Outcome): Promise<Outcome> {
  const [code] = await once(child, 'close');
  return { ...outcome, code };
}
