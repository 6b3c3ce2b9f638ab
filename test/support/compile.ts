// Builds a C file for a test. A machine with Rust has a C compiler, because Rust links with it.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { newFolder } from './temporary.ts';

const run = promisify(execFile);

/** Compiles `source` to a program called `name` in a new folder, and returns its path. */
export async function compile(source: URL, name: string, flags: string[] = []): Promise<string> {
  const output = join(await newFolder(), name);
  await run('cc', ['-Wall', '-Wextra', '-Werror', ...flags, '-o', output, fileURLToPath(source)]);
  return output;
}

/** Compiles `source` to a shared library, and returns its path. */
export function compileLibrary(source: URL, name: string, flags: string[] = []): Promise<string> {
  return compile(source, name, ['-shared', '-fPIC', ...flags]);
}
