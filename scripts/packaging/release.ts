// Makes everything that is released with a packaged file: archive, Debian package, bill of materials and checksums.
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../agent/system/files.ts';
import { version } from '../../agent/system/version.ts';
import { archive, archiveName } from './archive.ts';
import type { Built } from './build.ts';
import { checksumFile, writeChecksums } from './checksums.ts';
import { companions } from './companions.ts';
import { whyNoDeb, writeDeb } from './deb.ts';
import { sbom } from './sbom.ts';
import type { Target } from './target.ts';

export interface ReleaseOptions {
  readonly built: Built;
  readonly target: Target;
  /** The date of the commit, which every file that is made gets. */
  readonly date: Date;
  /** Whether to compress less, which saves time in a trial. */
  readonly fast: boolean;
  /** The folder for all files. The executable may be in it already. */
  readonly folder: string;
}

export interface Released {
  /** The kind, the path and the size of each file. */
  readonly files: readonly { readonly what: string; readonly path: string; readonly sizeBytes: number }[];
  /** Sentences about files that could not be made, with the reason. */
  readonly remarks: readonly string[];
}

/**
 * Makes the files of a release.
 * @throws MusterError when one cannot be made although its tools are there.
 */
export async function release({ built, target, date, fast, folder }: ReleaseOptions): Promise<Released> {
  await mkdir(folder, { recursive: true });
  await removeEarlier(folder, target);
  const texts = await companions(built);
  const common = { target, version, executable: built.file, companions: texts, date, fast };
  const name = archiveName(version, target);
  const write = async (path: string, data: string | Buffer) => {
    await writeFileAtomic(path, data, 0o644);
    return path;
  };
  const why = await whyNoDeb(target);
  const probe = built.parts['probe.node'];
  const made = await Promise.all([
    archive(common).then(data => write(join(folder, `${name}.tar.zst`), data)),
    why === undefined ? writeDeb({ ...common, carried: probe ? [probe] : [] }, folder) : undefined,
    sbom(built, date).then(text => write(join(folder, `${name}.cdx.json`), text)),
  ]);
  await writeChecksums(folder);
  const whats = ['archive', 'package', 'SBOM', 'checksums'];
  const files = [...made, join(folder, checksumFile)].map(async (path, index) =>
    path === undefined ? [] : [{ what: whats[index] ?? '', path, sizeBytes: (await stat(path)).size }],
  );
  return {
    files: (await Promise.all(files)).flat(),
    remarks: target.platform === 'linux' && why ? [`no .deb was made: ${why}`] : [],
  };
}

/** Removes the files of earlier versions, which must not be taken for parts of this one. */
async function removeEarlier(folder: string, { name, goArch, platform }: Target): Promise<void> {
  const ends = [`-${name}.tar.zst`, `-${name}.cdx.json`, ...(platform === 'linux' ? [`_${goArch}.deb`] : [])];
  for (const each of await readdir(folder))
    if (each === checksumFile || (/^muster[-_]/.test(each) && ends.some(end => each.endsWith(end))))
      await rm(join(folder, each));
}
