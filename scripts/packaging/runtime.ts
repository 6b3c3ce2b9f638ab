// The Node that goes into the file: the pinned one for the target, without its symbols.
import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MusterError } from '../../agent/system/errors.ts';
import { checkout } from './checkout.ts';
import { isOwn, type Target } from './target.ts';
import { firstTool, tool } from './tool.ts';

export interface Runtime {
  /** The program, for the target. */
  readonly binary: string;
  readonly licence: string;
  /** What whoever packages should know. */
  readonly remarks: readonly string[];
}

/**
 * Makes the Node `version` for `target` in `folder`.
 * @throws MusterError when it is not the one that package-lock.json names, or cannot be fetched.
 */
export async function runtime(target: Target, version: string, folder: string): Promise<Runtime> {
  const locked = await lockedPackage(target.node);
  if (locked.version !== version)
    throw new MusterError(
      'bad_config',
      `pkg.config.json asks for Node ${version}, and package-lock.json for ${target.node} ${locked.version}`,
    );
  const source = (await installed(target, version)) ?? (await fetched(target, locked));
  const binary = join(folder, 'node');
  await copyFile(join(source, 'bin/node'), binary);
  await chmod(binary, 0o755);
  // Before the program is put into it: stripped afterwards, it does not start.
  const strip = await stripperOf(target);
  if (strip) await tool(strip, [binary]);
  return {
    binary,
    licence: await readFile(join(source, 'LICENSE'), 'utf8'),
    remarks: strip ? [] : [`its Node keeps its symbols, 30 MB of them: ${whyNotStripped(target)}`],
  };
}

interface Locked {
  version: string;
  integrity: string;
}

async function lockedPackage(name: string): Promise<Locked> {
  const lock = JSON.parse(await readFile(join(checkout, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Partial<Locked>>;
  };
  const { version, integrity } = lock.packages[`node_modules/${name}`] ?? {};
  if (version && integrity) return { version, integrity };
  throw new MusterError('bad_config', `package-lock.json does not say which ${name} is right`);
}

/** npm, which checked it, installs only the one for its own machine. */
async function installed({ node }: Target, version: string): Promise<string | undefined> {
  const folder = join(checkout, 'node_modules', node);
  try {
    await stat(join(folder, 'bin/node'));
    const { version: found } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Locked;
    return found === version ? folder : undefined;
  } catch {
    return undefined;
  }
}

/** Kept: the package is large. */
async function fetched({ node }: Target, { version, integrity }: Locked): Promise<string> {
  const kept = join(
    checkout,
    '.tools/runtimes',
    `${node}-${version}-${integrity.slice(-16).replaceAll('/', '_')}`,
  );
  if (await stat(kept).catch(() => undefined)) return kept;
  await mkdir(dirname(kept), { recursive: true });
  const work = await mkdtemp(`${kept}.`);
  try {
    await tool('npm', ['pack', `${node}@${version}`, '--fetch-retries=1', '--pack-destination', work], {
      cwd: work,
    });
    const archive = join(work, `${node}-${version}.tgz`);
    if (!(await matches(archive, integrity)))
      throw new MusterError(
        'failed',
        `${node} ${version} from npm is not the one that package-lock.json names`,
        {
          hint: 'do not use it; look who changed it',
        },
      );
    const files = ['package/bin/node', 'package/LICENSE'];
    await tool('tar', ['-xzf', archive, '-C', work, '--strip-components=1', ...files]);
    await rm(archive);
    await rename(work, kept);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return kept;
}

/** `integrity` as https://www.w3.org/TR/SRI has it: `sha512-…`. */
async function matches(file: string, integrity: string): Promise<boolean> {
  const [algorithm = '', digest] = integrity.split(/-(.*)/s);
  return (
    createHash(algorithm)
      .update(await readFile(file))
      .digest('base64') === digest
  );
}

/** What can strip a program of `target`. */
async function stripperOf(target: Target): Promise<string | undefined> {
  if (target.platform === 'darwin') return undefined;
  const any = [`${target.rust.split('-')[0]}-linux-gnu-strip`, 'llvm-strip'];
  return firstTool(isOwn(target) ? ['strip', ...any] : any);
}

const whyNotStripped = ({ platform, name }: Target): string =>
  platform === 'darwin'
    ? 'a stripped one has not been tried on macOS'
    : `there is no strip for ${name} on PATH (Debian: binutils, or llvm)`;
