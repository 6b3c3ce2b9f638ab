// Makes the packaged file for tests. It is kept in build/test until a file that it is made from changes.
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Built, build } from '../../scripts/packaging/build.ts';
import { checkout } from '../../scripts/packaging/checkout.ts';
import { ownTarget, type Target } from '../../scripts/packaging/target.ts';
import { findProgram } from './find-program.ts';

/** The option `skip` for tests that need the packaged file: the reason why none can be made here, or false. */
export const cannotPackage: string | false = ownTarget()
  ? false
  : `the packaged file is not made for ${process.platform}-${process.arch}`;

/** Makes the packaged file for this machine's kind. It takes the nats-server on PATH, so it needs no Go and no network. */
export async function packaged(): Promise<Built> {
  const target = ownTarget();
  if (!target) throw new Error(String(cannotPackage));
  return packagedFor(target, await findProgram('nats-server'));
}

/** Makes the packaged file for `target` with `broker`, or else with the pinned nats-server, which Go builds. */
export async function packagedFor(target: Target, broker?: string): Promise<Built> {
  const all = join(checkout, 'build/test');
  const root = join(all, `${target.name}-${await stamp(broker)}`);
  const kept = await builtIn(root);
  if (kept) return kept;
  await mkdir(all, { recursive: true });
  // Another test file may make the present one at the same time.
  for (const name of await readdir(all))
    if (name.startsWith(`${target.name}-`) && !name.endsWith('.part') && join(all, name) !== root)
      await rm(join(all, name), { recursive: true, force: true });
  const part = `${root}.${process.pid}.part`;
  const built = await build({ target, broker, fast: true, root: part });
  await writeFile(join(part, description), JSON.stringify(built).replaceAll(part, root));
  // Another test file may have made the same folder meanwhile.
  await rename(part, root).catch(() => rm(part, { recursive: true }));
  return (await builtIn(root)) ?? Promise.reject(new Error(`${root} is gone`));
}

const description = 'built.json';

async function builtIn(root: string): Promise<Built | undefined> {
  const text = await readFile(join(root, description), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Built);
}

/** Returns a hash of everything that the packaged file is made from. */
async function stamp(broker: string | undefined): Promise<string> {
  const hash = createHash('sha256');
  if (broker) {
    const { size, mtimeMs } = await stat(broker);
    hash.update(`${broker} ${size} ${mtimeMs}\0`);
  }
  const folders = ['agent', 'scripts/packaging', 'native'];
  const lists = folders.map(async folder => {
    // In native/, only the addons count.
    const names = await readdir(join(checkout, folder), { recursive: folder !== 'native' });
    return names.filter(name => /\.(ts|node|bash|zsh|fish)$/.test(name)).map(name => join(folder, name));
  });
  const files = [
    'pkg.config.json',
    'package-lock.json',
    'LICENSE',
    ...(await Promise.all(lists)).flat().sort(),
  ];
  for (const file of files) hash.update(`${file}\0`).update(await readFile(join(checkout, file)));
  return hash.digest('hex').slice(0, 16);
}
