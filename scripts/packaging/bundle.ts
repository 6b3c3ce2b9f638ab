// Bundles the program into one CommonJS file, which is the same for every target.
import { relative } from 'node:path';
import { rolldown } from 'rolldown';
import { MusterError } from '../../agent/system/errors.ts';
import { lazyBuiltins } from './builtins.ts';
import { checkout } from './checkout.ts';
import { leaveOut } from './leave-out.ts';

export interface Bundle {
  readonly code: string;
  /** Folders of the packages that are in it, relative to the checkout, sorted. */
  readonly packages: readonly string[];
}

/** @throws MusterError when something of it cannot be resolved, or would not be lazy. */
export async function bundle(): Promise<Bundle> {
  const build = await rolldown({
    cwd: checkout,
    input: `${checkout}/agent/main.ts`,
    platform: 'node',
    tsconfig: false,
    plugins: [lazyBuiltins(), leaveOut()],
    // What is not run is not compiled either: that would cost an agent 1 MB, and each start 3 ms.
    optimization: { pifeForModuleWrappers: false },
    onLog(_level, log) {
      // yargs looks beside itself for what an `extends` in its settings names: it is given none.
      if (log.code === 'EMPTY_IMPORT_META' && log.id?.includes('/yargs/')) return;
      throw new MusterError('failed', `the bundler complains: ${log.message}`);
    },
  });
  try {
    // Without splitting, what is imported when it is needed is wrapped in a function, and run then.
    const { output } = await build.generate({
      format: 'cjs',
      codeSplitting: false,
      minify: true,
      comments: false,
    });
    const [chunk, ...rest] = output;
    if (rest.length > 0) throw new MusterError('failed', 'the bundle is more than one file');
    const modules = Object.entries(chunk.modules).filter(([, { renderedLength }]) => renderedLength > 0);
    return { code: inAscii(chunk.code), packages: packagesOf(modules.map(([id]) => id)) };
  } finally {
    await build.close();
  }
}

/** V8 keeps the source for as long as it runs: with one letter beyond Latin-1 in it, in two bytes for each. */
function inAscii(code: string): string {
  if (/String\.raw`[^`]*[^\0-\x7f]/.test(code))
    throw new MusterError(
      'failed',
      'a raw template of the bundle has a letter that cannot be written in ASCII',
    );
  // All else that has such letters, strings and regular expressions, takes them written as numbers.
  return code.replace(/[^\0-\x7f]/g, letter => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function packagesOf(modules: readonly string[]): string[] {
  const folders = modules.flatMap(id => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0] ?? []);
  return [...new Set(folders.map(folder => relative(checkout, folder)))].sort();
}
