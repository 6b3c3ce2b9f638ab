// Makes the archive: the executable and its companions, for a machine that cannot install the .deb.
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

export interface ArchiveOptions {
  readonly target: Target;
  readonly version: string;
  readonly executable: string;
  readonly companions: Companions;
  /** The modification time of every file in it. */
  readonly date: Date;
  /** Whether to compress fast: in a twentieth of the time, to an archive that is a sixth larger. */
  readonly fast: boolean;
}

/** Returns the archive's name without its ending, which is also the name of the folder in it. */
export const archiveName = (version: string, target: Target): string => `muster-${version}-${target.name}`;

/** Returns the bytes of the `.tar.zst`. The same options give the same bytes, at any time and on any machine. */
export async function archive(options: ArchiveOptions): Promise<Buffer> {
  const folder = archiveName(options.version, options.target);
  const files = [
    { name: 'muster', data: await readFile(options.executable), mode: 0o755 },
    ...Object.entries({ ...texts(options.companions), ...(await services(options.target)) }).map(
      ([name, text]) => ({
        name,
        data: Buffer.from(text),
        mode: 0o644,
      }),
    ),
  ];
  const entries = files.map(file => ({ ...file, name: `${folder}/${file.name}` }));
  const params = {
    [constants.ZSTD_c_compressionLevel]: options.fast ? 6 : 19,
    [constants.ZSTD_c_checksumFlag]: 1,
  };
  return promisify(zstdCompress)(tar(entries, options.date), { params });
}

function texts(companions: Companions): Record<string, string> {
  const { licence, notices, pages, changelog, schema, manual, completions } = companions;
  return {
    LICENSE: licence,
    'THIRD-PARTY-NOTICES': notices,
    ...pages,
    'CHANGELOG.md': changelog,
    // An editor finds the schema when it lies beside the configuration.
    'config.yaml': sampleConfig('both', 'config.schema.json'),
    'config.schema.json': schema,
    'completions/muster.bash': completions.bash,
    'completions/_muster': completions.zsh,
    'completions/muster.fish': completions.fish,
    'man/muster.1': manual,
  };
}

/** Returns the unit files that `muster service install` writes for a program in /usr/local/bin, by their path. */
async function services({ platform }: Target): Promise<Record<string, string>> {
  const manager = platform === 'darwin' ? 'launchd' : 'systemd';
  const files = async (role: Role): Promise<[string, string][]> => {
    const options = { manager, role, scope: 'system', systemd: undefined, groups: [] } as const;
    const places = servicePathsOf(manager, 'system', role, undefined);
    const { unit, rotation } = await createServiceFiles(
      { ...options, executable: '/usr/local/bin/muster' },
      places,
    );
    return [
      [`${manager}/${basename(unit.path)}`, unit.content],
      ...(rotation ? [[`newsyslog/${basename(rotation.path)}`, rotation.content] as [string, string]] : []),
    ];
  };
  return Object.fromEntries((await Promise.all(roles.map(files))).flat());
}
