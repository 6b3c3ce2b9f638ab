// Takes the Node for the packaged file: the pinned version for the target, without its symbols and without
// the languages of its Unicode library.
import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MusterError } from '../../agent/system/errors.ts';
import { checkout } from './checkout.ts';
import { leaveOutIcuData } from './icu-data.ts';
import { keptFolder } from './kept-folder.ts';
import { isOwn, type Target } from './target.ts';
import { firstTool, tool } from './tool.ts';

export interface Runtime {
  /** The path of the program. */
  readonly binary: string;
  readonly licence: string;
  /** Notes for the person who packages, one sentence each. */
  readonly remarks: readonly string[];
}

/**
 * Puts Node `version` for `target` into `folder`.
 * @throws MusterError when package-lock.json names another version, or when it cannot be downloaded.
 */
export async function runtime(target: Target, version: string, folder: string): Promise<Runtime> {
  const locked = await lockedPackage(target.node);
  if (locked.version !== version)
    throw new MusterError(
      'bad_config',
      `pkg.config.json names Node ${version}, but package-lock.json names ${target.node} ${locked.version}`,
    );
  const source = (await installed(target, version)) ?? (await fetched(target, locked));
  const binary = join(folder, 'node');
  await copyFile(join(source, 'bin/node'), binary);
  await chmod(binary, 0o755);
  // Node is stripped before the program is put into it. If it were stripped afterwards, it would not start.
  const strip = await stripperOf(target);
  if (strip) await tool(strip, [binary]);
  const bytes = await readFile(binary);
  leaveOutIcuData(bytes);
  await writeFile(binary, bytes);
  return {
    binary,
    licence: await readFile(join(source, 'LICENSE'), 'utf8'),
    remarks: strip ? [] : [`its Node has 30 MB of symbols that could be stripped: ${whyNotStripped(target)}`],
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
  throw new MusterError('bad_config', `package-lock.json names no version of ${name}`);
}

/** Returns the folder of the Node that npm has installed and verified. npm installs only the one for this machine. */
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

/** Downloads the package of Node, or returns what was kept of an earlier download, because the package is large. */
async function fetched({ node }: Target, { version, integrity }: Locked): Promise<string> {
  const kept = join(
    await keptFolder('runtimes'),
    `${node}-${version}-${integrity.slice(-16).replaceAll('/', '_')}`,
  );
  if (await stat(kept).catch(() => undefined)) return kept;
  const work = await mkdtemp(`${kept}.`);
  try {
    await tool('npm', ['pack', `${node}@${version}`, '--fetch-retries=1', '--pack-destination', work], {
      cwd: work,
    });
    const archive = join(work, `${node}-${version}.tgz`);
    if (!(await matches(archive, integrity)))
      throw new MusterError(
        'failed',
        `${node} ${version} from npm is not the one whose hash is in package-lock.json`,
        {
          hint: 'do not use it, and find out who changed it',
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

/** Compares the hash of a file with `integrity`, such as `sha512-…` (https://www.w3.org/TR/SRI). */
async function matches(file: string, integrity: string): Promise<boolean> {
  const [algorithm = '', digest] = integrity.split(/-(.*)/s);
  return (
    createHash(algorithm)
      .update(await readFile(file))
      .digest('base64') === digest
  );
}

/** Returns a tool that can strip a program for `target`. */
async function stripperOf(target: Target): Promise<string | undefined> {
  if (target.platform === 'darwin') return undefined;
  const any = [`${target.rust.split('-')[0]}-linux-gnu-strip`, 'llvm-strip'];
  return firstTool(isOwn(target) ? ['strip', ...any] : any);
}

const whyNotStripped = ({ platform, name }: Target): string =>
  platform === 'darwin'
    ? 'a stripped Node has not been tried on macOS'
    : `there is no strip for ${name} on PATH (Debian: binutils, or llvm)`;
