// Bundles the program from source into one file, which starts in two thirds of the CPU time that the source takes. It finds
// the same files as the source, and starts itself as its child.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Plugin, rolldown } from 'rolldown';
import { lazyBuiltins } from '../../scripts/packaging/builtins.ts';
import { checkout } from '../../scripts/packaging/checkout.ts';

/**
 * Writes the bundle into `folder` and returns its path.
 * @param at the path of the checkout where the bundle runs, if that is another one.
 */
export async function bundleProgram(folder: string, at = checkout): Promise<string> {
  const build = await rolldown({
    cwd: checkout,
    input: join(checkout, 'agent/main.ts'),
    platform: 'node',
    tsconfig: false,
    plugins: [sourceAddresses(at), lazyBuiltins()],
    // yargs asks where it is itself, which does not matter here.
    onLog: () => undefined,
  });
  const { output } = await build.generate({ format: 'cjs', codeSplitting: false });
  await build.close();
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'main.cjs');
  await writeFile(file, output[0].code);
  return file;
}

/** Each module keeps the address of its own source, from which it finds the files beside it. */
function sourceAddresses(at: string): Plugin {
  return {
    name: 'source-addresses',
    transform(code, id) {
      if (!id.startsWith(`${checkout}/agent/`)) return null;
      const own = id.endsWith('/roles/own-command.ts') ? withOwnFile(code) : code;
      const address = pathToFileURL(at + id.slice(checkout.length)).href;
      return own.replaceAll('import.meta.url', JSON.stringify(address));
    },
  };
}

/** A process of the bundle starts its children from the bundle too. */
function withOwnFile(code: string): string {
  const source = "fileURLToPath(new URL('../main.ts', import.meta.url))";
  if (!code.includes(source)) throw new Error(`agent/roles/own-command.ts does not say ${source}`);
  return code.replace(source, '__filename');
}

// scripts/test runs this file with the folder for the bundle.
if (import.meta.main) process.stdout.write(`${await bundleProgram(process.argv[2] ?? '')}\n`);
