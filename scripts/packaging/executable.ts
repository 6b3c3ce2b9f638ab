// Puts bundle, assets and options into the target's Node: one executable (https://nodejs.org/api/single-executable-applications.html).
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import type { Description } from './description.ts';
import { signAdHoc } from './mach-o.ts';
import { isOwn, type Target } from './target.ts';
import { tool } from './tool.ts';

export interface Parts {
  readonly target: Target;
  /** The target's Node. */
  readonly node: string;
  readonly bundle: string;
  /** Files by the name that the program knows them by. */
  readonly assets: Readonly<Record<string, string>>;
  readonly seaConfig: Description['seaConfig'];
  /** For what lies about while it is made. */
  readonly folder: string;
}

/** Writes the executable to `output`. One that runs from there goes on running. */
export async function writeExecutable(parts: Parts, output: string): Promise<void> {
  const { target, node, bundle, assets, seaConfig, folder } = parts;
  const made = join(folder, 'muster');
  const config = join(folder, 'sea.json');
  // The bundle's path becomes part of the file: as seen from the folder that all is made in, it is the same everywhere.
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
    // Made by this machine's V8, and refused by that of another kind of processor.
    useCodeCache: seaConfig.useCodeCache && isOwn(target),
  };
  await writeFile(config, JSON.stringify(options, undefined, 2));
  // The seed goes into the hash tables of the code cache: a random one makes each build different. It does not last.
  const args = ['--random-seed=1', '--build-sea', seen(config)];
  await tool(process.execPath, args, { cwd: from, env: { NODE_OPTIONS: '' } });
  if (target.platform === 'darwin') await signAdHoc(made, 'org.muster.muster');
  await mkdir(dirname(output), { recursive: true });
  await rename(made, output);
}
