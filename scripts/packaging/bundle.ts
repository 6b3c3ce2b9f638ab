// Bundles the program into a main script and some chunks, which are the same for every target.
import { relative } from 'node:path';
import { type OutputChunk, rolldown } from 'rolldown';
import { MusterError } from '../../agent/system/errors.ts';
import { lazyBuiltins } from './builtins.ts';
import { checkout } from './checkout.ts';
import { chunkOf } from './chunks.ts';
import { leaveOut } from './leave-out.ts';
import { asFunction, mainScript } from './main-script.ts';

export interface Bundle {
  /** The script that the packaged file runs. */
  readonly main: string;
  /** The chunks that it loads when they are needed, by the names of their files, such as `agent.cjs`. */
  readonly chunks: ReadonlyMap<string, string>;
  /** The folders of the packages that are in it, relative to the checkout and sorted. */
  readonly packages: readonly string[];
}

/**
 * Bundles agent/main.ts.
 * @throws MusterError when an import cannot be resolved.
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
    // `nats` looks whether Node has it, and looking would load it.
    transform: { define: { 'globalThis.ReadableStream': '"present"' } },
    preserveEntrySignatures: 'allow-extension',
    // On a busy machine it would complain that it is slow.
    checks: { bundlerTimings: false },
    onLog(_level, log) {
      // yargs searches its own folder for a file that its settings extend. muster gives it no such settings.
      if (log.code === 'EMPTY_IMPORT_META' && log.id?.includes('/yargs/')) return;
      // In the source, such an import saves time. In a chunk it is imported with its chunk, and runs later all the same.
      if (log.code === 'INEFFECTIVE_DYNAMIC_IMPORT') return;
      throw new MusterError('failed', `the bundler complains: ${log.message}`);
    },
  });
  let nameOf: ((id: string) => string | undefined) | undefined;
  try {
    const { output } = await build.generate({
      format: 'cjs',
      minify: true,
      comments: false,
      // A module of a chunk runs only when it is imported, and not when its chunk is loaded.
      strictExecutionOrder: true,
      codeSplitting: {
        includeDependenciesRecursively: false,
        groups: [
          {
            name: (id, context) => {
              nameOf ??= chunkOf(each => context.getModuleInfo(each)?.importedIds);
              return nameOf(id) ?? null;
            },
          },
        ],
      },
      chunkFileNames: ({ name, moduleIds: [id = ''] }) => `${nameOf?.(id) ?? name}.cjs`,
    });
    const all = output.filter(each => each.type === 'chunk');
    const modules = all.flatMap(({ modules }) => Object.entries(modules));
    const used = modules.filter(([, { renderedLength }]) => renderedLength > 0).map(([id]) => id);
    const entry = all.find(({ isEntry }) => isEntry);
    const later = all.filter(chunk => chunk !== entry);
    return {
      main: mainScript(entry ? codeOf(entry) : ''),
      chunks: new Map(later.map(chunk => [chunk.fileName, asFunction(codeOf(chunk))])),
      packages: packagesOf(used),
    };
  } finally {
    await build.close();
  }
}

const codeOf = ({ code }: OutputChunk): string => inAscii(code.replace(/^#!.*\n/, ''));

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
