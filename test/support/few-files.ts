// Runs a program that may have only a few files open.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Runs `program`, the text of a module, in a process that may have 64 files open. Rejects unless it ends with 0. */
export async function runWithFewFiles(program: string): Promise<{ stdout: string; stderr: string }> {
  const node = [process.execPath, '--input-type=module', '-e', program];
  return promisify(execFile)('/bin/sh', ['-c', 'ulimit -n 64; exec "$@"', 'sh', ...node]);
}
