// Bundles the program into one CommonJS file, which is the same for every target.
import { relative } from 'node:path';
import { rolldown } from 'rolldown';
import { MusterError } from '../../agent/system/errors.ts';
import { lazyBuiltins } from './builtins.ts';
import { checkout } from './checkout.ts';
import { leaveOut } from './leave-out.ts';

export interface Bundle {
  readonly code: string;
  /** The folders of the packages that are in it, relative to the checkout and sorted. */
  readonly packages: readonly string[];
}

/**
 * Bundles agent/main.ts.
 * @throws MusterError when an import cannot be resolved, or when the bundle would be more than one file.
 */
export async function bundle(): Promise<Bundle> {
  const build = await rolldown({
    cwd: checkout,
    input: `${checkout}/agent/main.ts`,
    platform: 'node',
    tsconfig: false,
    plugins: [lazyBuiltins(), leaveOut()],
    // Code that is not run shall not be compiled either. That would cost an agent 1 MB, and each start 3 ms.
    optimization: { pifeForModuleWrappers: false },
    // On a busy machine it would complain that it is slow.
    checks: { bundlerTimings: false },
    onLog(_level, log) {
      // yargs searches its own folder for a file that its settings extend. muster gives it no such settings.
      if (log.code === 'EMPTY_IMPORT_META' && log.id?.includes('/yargs/')) return;
      throw new MusterError('failed', `the bundler complains: ${log.message}`);
    },
  });
  try {
    // Without splitting, a dynamic import becomes a function in the same file, which runs at that moment.
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

/**
 * Returns `code` in ASCII. V8 keeps the source in memory, and if one letter is not Latin-1, every letter takes two bytes.
 */
function inAscii(code: string): string {
  if (/String\.raw`[^`]*[^\0-\x7f]/.test(code))
    throw new MusterError(
      'failed',
      'a raw template in the bundle has a letter that cannot be written in ASCII',
    );
  // In strings and regular expressions, a letter can be written as its number.
  return code.replace(/[^\0-\x7f]/g, letter => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function packagesOf(modules: readonly string[]): string[] {
  const folders = modules.flatMap(id => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0] ?? []);
  return [...new Set(folders.map(folder => relative(checkout, folder)))].sort();
}
