// The archive of the executable and all that goes with it, for a machine without a package manager that takes the .deb.
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { constants, zstdCompress } from 'node:zlib';
import { type Role, roles } from '../../agent/config/role.ts';
import { sampleConfig } from '../../agent/config/sample.ts';
import { createServiceFiles } from '../../agent/service/service-files.ts';
import { servicePathsOf } from '../../agent/service/service-paths.ts';
import { tar } from '../../agent/system/tar.ts';
import type { Companions } from './companions.ts';
import type { Target } from './target.ts';

export interface ArchiveWish {
  readonly target: Target;
  readonly version: string;
  readonly executable: string;
  readonly companions: Companions;
  /** What every file in it bears. */
  readonly date: Date;
  /** Takes a twentieth of the time, and is a sixth larger. */
  readonly fast: boolean;
}

/** The archive without its ending: also the folder that all in it lies in. */
export const archiveName = (version: string, target: Target): string => `muster-${version}-${target.name}`;

/** The bytes of the `.tar.zst`: the same whenever and wherever they are made. */
export async function archive(wish: ArchiveWish): Promise<Buffer> {
  const folder = archiveName(wish.version, wish.target);
  const files = [
    { name: 'muster', data: await readFile(wish.executable), mode: 0o755 },
    ...Object.entries({ ...texts(wish.companions), ...(await services(wish.target)) }).map(
      ([name, text]) => ({
        name,
        data: Buffer.from(text),
        mode: 0o644,
      }),
    ),
  ];
  const entries = files.map(file => ({ ...file, name: `${folder}/${file.name}` }));
  const params = {
    [constants.ZSTD_c_compressionLevel]: wish.fast ? 6 : 19,
    [constants.ZSTD_c_checksumFlag]: 1,
  };
  return promisify(zstdCompress)(tar(entries, wish.date), { params });
}

function texts(companions: Companions): Record<string, string> {
  const { licence, notices, pages, changelog, schema, manual, completions } = companions;
  return {
    LICENSE: licence,
    'THIRD-PARTY-NOTICES': notices,
    ...pages,
    'CHANGELOG.md': changelog,
    // An editor looks for the schema beside the file.
    'config.yaml': sampleConfig('both', 'config.schema.json'),
    'config.schema.json': schema,
    'completions/muster.bash': completions.bash,
    'completions/_muster': completions.zsh,
    'completions/muster.fish': completions.fish,
    'man/muster.1': manual,
  };
}

/** As `muster service install` writes them for a program in /usr/local/bin. */
async function services({ platform }: Target): Promise<Record<string, string>> {
  const manager = platform === 'darwin' ? 'launchd' : 'systemd';
  const files = async (role: Role): Promise<[string, string][]> => {
    const wish = { manager, role, scope: 'system', systemd: undefined, groups: [] } as const;
    const places = servicePathsOf(manager, 'system', role, undefined);
    const { unit, rotation } = await createServiceFiles(
      { ...wish, executable: '/usr/local/bin/muster' },
      places,
    );
    return [
      [`${manager}/${basename(unit.path)}`, unit.content],
      ...(rotation ? [[`newsyslog/${basename(rotation.path)}`, rotation.content] as [string, string]] : []),
    ];
  };
  return Object.fromEntries((await Promise.all(roles.map(files))).flat());
}
