// Makes the Debian package with dpkg-deb, from a folder that has the files where they will be installed.
import { createHash } from 'node:crypto';
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Companions } from './companions.ts';
import { configurationFiles, debFiles, executablePath } from './deb-files.ts';
import { dependsOf, librariesOf } from './deb-needs.ts';
import { maintainerScripts } from './deb-scripts.ts';
import { controlText, debianVersion } from './deb-texts.ts';
import type { Target } from './target.ts';
import { firstTool, tool } from './tool.ts';

export interface DebOptions {
  readonly target: Target;
  readonly version: string;
  readonly executable: string;
  /** Programs inside the executable, whose dependencies the package has as well. */
  readonly carried: readonly string[];
  readonly companions: Companions;
  /** The modification time of every file in it. */
  readonly date: Date;
  /** Whether to compress fast: in a tenth of the time, to a package that is half as large again. */
  readonly fast: boolean;
}

/** Returns the file name of the package. */
export const debName = (version: string, target: Target): string =>
  `muster_${debianVersion(version)}_${target.goArch}.deb`;

/** Returns why no package for `target` can be made here; undefined when it can. */
export async function whyNoDeb({ platform }: Target): Promise<string | undefined> {
  if (platform !== 'linux') return 'Debian runs on Linux only';
  for (const [name, origin] of Object.entries({ 'dpkg-deb': 'dpkg', readelf: 'binutils' }))
    if (!(await firstTool([name]))) return `${name} is not on PATH (apt-get install ${origin})`;
  return undefined;
}

/**
 * Writes the package into `folder` and returns its path. The same options and the same dpkg give the same bytes.
 * @throws MusterError when it cannot be made.
 */
export async function writeDeb(options: DebOptions, folder: string): Promise<string> {
  const { target, version, executable, carried, companions, date } = options;
  const depends = dependsOf(await Promise.all([executable, ...carried].map(librariesOf)));
  await mkdir(folder, { recursive: true });
  const work = await mkdtemp(join(folder, '.deb-'));
  try {
    const root = join(work, 'root');
    const put = async (path: string, content: string | Buffer, mode = 0o644) => {
      await mkdir(join(root, dirname(path)), { recursive: true });
      await writeFile(join(root, path), content);
      await chmod(join(root, path), mode);
    };
    await mkdir(join(root, dirname(executablePath)), { recursive: true });
    await copyFile(executable, join(root, executablePath));
    await chmod(join(root, executablePath), 0o755);
    const files = debFiles(companions, version, date);
    for (const [path, content] of files) await put(path, content);
    const sums = await checksums(root, [executablePath, ...files.keys()]);
    const installedSizeKiB = await installedSizeOf(root);
    await put(
      '/DEBIAN/control',
      controlText({ version, architecture: target.goArch, depends, installedSizeKiB }),
    );
    await put('/DEBIAN/conffiles', configurationFiles.map(path => `${path}\n`).join(''));
    await put('/DEBIAN/md5sums', sums);
    for (const [name, text] of Object.entries(maintainerScripts)) await put(`/DEBIAN/${name}`, text, 0o755);
    await setTimesAndModes(root, date);
    const made = join(work, 'made.deb');
    const compression = options.fast ? ['-Zgzip', '-z1'] : ['-Zxz'];
    await tool('dpkg-deb', ['--root-owner-group', ...compression, '--build', root, made], {
      env: { SOURCE_DATE_EPOCH: String(date.getTime() / 1000) },
    });
    const output = join(folder, debName(version, target));
    await rename(made, output);
    return output;
  } finally {
    await rm(work, { recursive: true });
  }
}

/** Returns the sums with which dpkg verifies an installed package. dpkg itself keeps the sums of configuration files. */
async function checksums(root: string, paths: readonly string[]): Promise<string> {
  const lines = paths
    .filter(path => !configurationFiles.includes(path))
    .sort()
    .map(async path => {
      const digest = createHash('md5')
        .update(await readFile(join(root, path)))
        .digest('hex');
      return `${digest}  ${path.slice(1)}\n`;
    });
  return (await Promise.all(lines)).join('');
}

/** Returns the size in KiB as Debian counts it: each file is rounded up, and each folder is one. */
async function installedSizeOf(root: string): Promise<number> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const sizes = entries.map(async entry =>
    entry.isFile() ? Math.ceil((await stat(join(entry.parentPath, entry.name))).size / 1024) : 1,
  );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

/** Sets the time of everything in `root` to `date`, and the mode of its folders to 755, whatever the umask is. */
async function setTimesAndModes(root: string, date: Date): Promise<void> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const inside = entries.map(entry => ({
    path: join(entry.parentPath, entry.name),
    folder: entry.isDirectory(),
  }));
  for (const { path, folder } of [{ path: root, folder: true }, ...inside]) {
    if (folder) await chmod(path, 0o755);
    await utimes(path, date, date);
  }
}
