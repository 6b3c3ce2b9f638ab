// Makes the code cache of a chunk: V8 then reads its functions instead of compiling them when they are first called. It runs
// as a process of its own, with the flags of V8 that the packaged file has.
import { readFileSync, writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';
import { tool } from './tool.ts';

/**
 * Writes the code cache of `chunk`, the path of a file, into the file `cache`. The V8 of this process makes it, so only the
 * same version on the same kind of machine reads it.
 */
export async function writeCodeCache(chunk: string, cache: string): Promise<void> {
  // With a random seed, the hash tables in the code cache would differ from build to build.
  const args = ['--random-seed=1', import.meta.filename, chunk, cache];
  await tool(process.execPath, args, { env: { NODE_OPTIONS: '' } });
}

if (import.meta.main) {
  const [chunk = '', cache = ''] = process.argv.slice(2);
  const source = readFileSync(chunk, 'latin1');
  // V8 compiles a function when it is first called. Without this flag it compiles all of them now. The cache must not be
  // made under the flag, because V8 refuses a cache that was made under other flags.
  setFlagsFromString('--no-lazy');
  const script = new Script(source);
  setFlagsFromString('--lazy');
  writeFileSync(cache, script.createCachedData());
}
