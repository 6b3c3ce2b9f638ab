// Runs a tool that packaging needs. It is found on PATH, runs without a shell, and may take ten minutes.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { errnoOf, MusterError, reasonOf } from '../../agent/system/errors.ts';

export interface ToolOptions {
  env?: Record<string, string>;
  cwd?: string;
}

/**
 * Returns the tool's standard output.
 * @throws MusterError `not_found` when there is no such program; `failed` with the end of its standard error.
 */
export async function tool(
  name: string,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(name, args, {
      timeout: 10 * 60_000,
      killSignal: 'SIGKILL',
      maxBuffer: 64 * 1024 * 1024,
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
    });
    return stdout;
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') throw new MusterError('not_found', `${name} is not on PATH`, { cause });
    const { stderr = '' } = cause as { stderr?: string };
    const last = stderr.trim().split('\n').slice(-5).join('; ');
    throw new MusterError('failed', `${name} failed: ${last || reasonOf(cause)}`, { cause });
  }
}

/** Returns the first of `names` that can be run with `--version`. */
export async function firstTool(names: readonly string[]): Promise<string | undefined> {
  for (const name of names) {
    const found = await tool(name, ['--version']).then(
      () => true,
      () => false,
    );
    if (found) return name;
  }
  return undefined;
}
