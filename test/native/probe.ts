// Builds the addon if its sources have changed, and loads it for the tests.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type * as Probe from '../../native/index.d.ts';

const run = promisify(execFile);

export const nativeFolder = fileURLToPath(new URL('../../native/', import.meta.url));

await run(`${nativeFolder}build`);

const built = new RegExp(`^probe\\.${process.platform}-${process.arch}.*\\.node$`);
export const addonFile = join(
  nativeFolder,
  readdirSync(nativeFolder).find(name => built.test(name)) ?? 'none',
);

export const probe: typeof Probe = createRequire(import.meta.url)(addonFile);

/** The end of a process. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/**
 * Runs `script`, which is CommonJS with the addon as `probe`, in another process. `launcher` is a command to start it with.
 */
export function inChild(
  script: string,
  env: Record<string, string> = {},
  launcher: string[] = [],
): Promise<Ended> {
  const source = `const probe = require(${JSON.stringify(addonFile)});\n${script}`;
  const [program, ...args] = [...launcher, process.execPath, '-e', source];
  assert.ok(program);
  // At its end, Node writes its cache of compiled code, and asks the dynamic linker for a function then. While a library
  // hangs in the linker, that would never end.
  const all = { ...process.env, NODE_DISABLE_COMPILE_CACHE: '1', ...env };
  return new Promise(resolve => {
    const child = execFile(program, args, { env: all }, (_, stdout, stderr) => {
      resolve({ code: child.exitCode, signal: child.signalCode, stdout, stderr });
    });
  });
}
