// Takes the native probe for the packaged file, if it can be built for the target, with the notices of its crates.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { errnoOf, MusterError } from '../../agent/system/errors.ts';
import type { Carried, Missing } from '../../agent/system/packaged.ts';
import { checkout } from './checkout.ts';
import { licenceTexts } from './licence-texts.ts';
import type { Notice } from './notices.ts';
import { isOwn, type Target } from './target.ts';
import { tool } from './tool.ts';

export interface PackedProbe {
  readonly carried: Carried | Missing;
  readonly bytes: Uint8Array | undefined;
  readonly notices: readonly Notice[];
  readonly remarks: readonly string[];
}

/** Returns the probe that `native/build` made here or on a machine of the target's kind. */
export async function packProbe(target: Target): Promise<PackedProbe> {
  const why = await whyNotBuilt(target);
  const bytes = await readFile(join(checkout, 'native', target.addon)).catch(error => {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (!bytes)
    return {
      carried: { missing: `is not in this file: ${why}` },
      bytes: undefined,
      notices: [],
      remarks: [`it has no native probe: ${why}`],
    };
  return {
    carried: { sha256: createHash('sha256').update(bytes).digest('hex') },
    bytes,
    notices: await crateNotices(target),
    remarks: [],
  };
}

/**
 * Builds the probe for another kind of Linux machine, or returns what is missing. scripts/package builds this machine's
 * own.
 */
async function whyNotBuilt(target: Target): Promise<string | undefined> {
  if (isOwn(target)) return 'there was no Rust to build it with';
  if (target.platform !== 'linux') return `native/${target.addon} can only be built on a machine of its kind`;
  try {
    await rustTool(join(checkout, 'native/build'), [target.rust]);
    return undefined;
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as { code?: unknown };
    if (code !== toolsMissing) throw error;
    return /muster: (.*)/.exec((error as Error).message)?.[1];
  }
}

/** The exit code of `native/build` when a tool that it needs is missing. */
const toolsMissing = 3;

/** The parts of what `cargo metadata` prints that are used here. */
const metadata = v.object({
  packages: v.array(
    v.object({
      id: v.string(),
      name: v.string(),
      version: v.string(),
      license: v.nullable(v.string()),
      manifest_path: v.string(),
    }),
  ),
  resolve: v.object({
    root: v.string(),
    nodes: v.array(
      v.object({
        id: v.string(),
        deps: v.array(
          v.object({ pkg: v.string(), dep_kinds: v.array(v.object({ kind: v.nullable(v.string()) })) }),
        ),
      }),
    ),
  }),
});

async function crateNotices({ rust }: Target): Promise<Notice[]> {
  const args = ['metadata', '--format-version', '1', '--locked', '--filter-platform', rust];
  const text = await rustTool('cargo', args);
  const { packages, resolve } = v.parse(metadata, JSON.parse(text));
  const used = linked(resolve);
  const crates = packages.filter(({ id }) => used.has(id) && id !== resolve.root);
  const notices = crates.map(async ({ name, version, license, manifest_path }) => {
    if (license === null) throw new MusterError('failed', `the crate ${name} does not name its licence`);
    return { name, version, licence: license, texts: await licenceTexts(dirname(manifest_path)) };
  });
  return [...(await Promise.all(notices)), await standardLibrary()];
}

/**
 * Runs one of Rust's tools with the user's real home, where they and the crates are. Tests and the bench set another HOME.
 */
function rustTool(name: string, args: readonly string[]): Promise<string> {
  return tool(name, args, { cwd: join(checkout, 'native'), env: { HOME: userInfo().homedir } });
}

async function standardLibrary(): Promise<Notice> {
  const version = (await rustTool('rustc', ['--version'])).split(' ')[1] ?? '';
  const folder = join((await rustTool('rustc', ['--print', 'sysroot'])).trim(), 'share/doc/rust/licenses');
  // The Rust of a Linux distribution may come without these files.
  const texts = ['MIT.txt', 'Apache-2.0.txt'].map(name =>
    readFile(join(folder, name), 'utf8').then(
      text => [text.trimEnd()],
      () => [],
    ),
  );
  return {
    name: 'Rust standard library',
    version,
    licence: 'MIT OR Apache-2.0',
    texts: (await Promise.all(texts)).flat(),
  };
}

/** Returns the ids of the crates that are linked into the probe, without those that only build or test it. */
function linked({ root, nodes }: v.InferOutput<typeof metadata>['resolve']): Set<string> {
  const found = new Set([root]);
  for (const id of found)
    for (const { pkg, dep_kinds } of nodes.find(node => node.id === id)?.deps ?? [])
      if (dep_kinds.some(({ kind }) => kind === null)) found.add(pkg);
  return found;
}
