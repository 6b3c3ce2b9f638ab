// Makes one executable of the target's Node, the bundle and the assets, as a single executable application of Node
// (https://nodejs.org/api/single-executable-applications.html).
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import type { Description } from './description.ts';
import { signAdHoc } from './mach-o.ts';
import { isOwn, type Target } from './target.ts';
import { tool } from './tool.ts';

export interface Parts {
  readonly target: Target;
  /** The path of the target's Node. */
  readonly node: string;
  readonly bundle: string;
  /** The paths of the assets, by the name with which the program reads them. */
  readonly assets: Readonly<Record<string, string>>;
  readonly seaConfig: Description['seaConfig'];
  /** The folder for temporary files. */
  readonly folder: string;
}

/** Writes the executable to `output`. A program that was started from there keeps running. */
export async function writeExecutable(parts: Parts, output: string): Promise<void> {
  const { target, node, bundle, assets, seaConfig, folder } = parts;
  const made = join(folder, 'muster');
  const config = join(folder, 'sea.json');
  // The path of the bundle becomes part of the executable. A relative path is the same on every machine.
  const from = dirname(bundle);
  const seen = (path: string) => relative(from, path);
  const options = {
    main: seen(bundle),
    mainFormat: 'commonjs',
    executable: seen(node),
    output: seen(made),
    useSnapshot: false,
    useVfs: false,
    assets: Object.fromEntries(Object.entries(assets).map(([name, path]) => [name, seen(path)])),
    ...seaConfig,
    // V8 on this machine makes the code cache. V8 on another kind of processor would refuse the cache.
    useCodeCache: seaConfig.useCodeCache && isOwn(target),
  };
  await writeFile(config, JSON.stringify(options, undefined, 2));
  // With a random seed, the hash tables in the code cache would differ from build to build. The program that is made does
  // not use this seed.
  const args = ['--random-seed=1', '--build-sea', seen(config)];
  await tool(process.execPath, args, { cwd: from, env: { NODE_OPTIONS: '' } });
  if (target.platform === 'darwin') await signAdHoc(made, 'org.muster.muster');
  await mkdir(dirname(output), { recursive: true });
  await rename(made, output);
}
