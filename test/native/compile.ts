// Builds the C files beside this one; whoever has Rust has a C compiler, as Rust links with it.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { newFolder } from '../support/temporary.ts';

const run = promisify(execFile);

/** Compiles `source` to a new file called `name`, and gives its path. */
export async function compile(source: string, name: string, flags: string[] = []): Promise<string> {
  const output = join(await newFolder(), name);
  const input = fileURLToPath(new URL(source, import.meta.url));
  await run('cc', ['-Wall', '-Wextra', '-Werror', ...flags, '-o', output, input]);
  return output;
}

export const compileLibrary = (source: string, name: string, flags: string[] = []) =>
  compile(source, name, ['-shared', '-fPIC', ...flags]);
