// Takes the nats-server for the packaged file: the pinned version, built by Go, or one that is on this machine already.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { constants, zstdCompress } from 'node:zlib';
import { findOnPath, systemEnvironment } from '../../agent/config/environment.ts';
import { MusterError } from '../../agent/system/errors.ts';
import type { CarriedBroker } from '../../agent/system/packaged.ts';
import { goBroker, goVersion, pinnedVersion } from './go-broker.ts';
import { goBuildInfo, type Module } from './go-build-info.ts';
import { licenceTexts, ownLicence } from './licence-texts.ts';
import type { Notice } from './notices.ts';
import { isOwn, type Target } from './target.ts';
import { tool } from './tool.ts';

export interface PackedBroker {
  readonly carried: CarriedBroker;
  /** The program, compressed by zstd. */
  readonly bytes: Uint8Array;
  readonly notices: readonly Notice[];
  readonly remarks: readonly string[];
}

/**
 * Returns the broker for `target`, with the notices of its parts.
 * @param given a nats-server to take instead of the pinned one.
 * @param fast whether to compress it fast: in a fortieth of the time, to a size that is a tenth larger.
 * @throws MusterError when there is none for `target`.
 */
export async function packBroker(
  target: Target,
  given: string | undefined,
  fast: boolean,
): Promise<PackedBroker> {
  const { binary, licences, remarks } = given ? { binary: given, ...foreign } : await findBroker(target);
  const server = await readFile(binary);
  const info = goBuildInfo(server);
  if (!info || !/^github\.com\/nats-io\/nats-server(\/|$)/.test(info.path))
    throw new MusterError('failed', `${binary} is not a nats-server`);
  const wanted = `${target.platform}/${target.goArch}`;
  if (info.platform !== wanted)
    throw new MusterError('failed', `${binary} is for ${info.platform}, and ${wanted} is needed`);
  const sha256 = createHash('sha256').update(server).digest('hex');
  return {
    carried: { version: await versionOf(info.modules[0], binary), size: server.length, sha256 },
    bytes: await promisify(zstdCompress)(server, {
      params: { [constants.ZSTD_c_compressionLevel]: fast ? 3 : 19 },
    }),
    notices: await noticesOf(info.modules, licences),
    remarks,
  };
}

interface BrokerBinary {
  readonly binary: string;
  /** The folder with the licences of its modules; undefined when it was built elsewhere. */
  readonly licences: string | undefined;
  readonly remarks: readonly string[];
}

const foreign = {
  licences: undefined,
  remarks: [
    'its nats-server was built elsewhere, so the notices name its modules without the texts of their licences',
  ],
};

async function findBroker(target: Target): Promise<BrokerBinary> {
  const [version, go] = [await pinnedVersion(), await goVersion()];
  if (go) return { ...(await goBroker(target, version, go)), remarks: [] };
  const binary = isOwn(target) ? await findOnPath('nats-server', systemEnvironment) : undefined;
  if (binary) return { binary, ...foreign };
  throw new MusterError('not_found', `there is no nats-server for ${target.name} to put into the file`, {
    hint: `install Go, which then builds nats-server ${version}, or choose one with --broker FILE`,
  });
}

/**
 * Returns the broker's version. A broker that was built from a checkout has none in its module, so the program is asked.
 */
async function versionOf(module: Module | undefined, binary: string): Promise<string> {
  const version = /^v(\d.*)$/.exec(module?.version ?? '')?.[1];
  const said = /v(\d+\.\d+\.\S+)/;
  return version ?? said.exec(await tool(binary, ['--version']))?.[1] ?? 'unknown';
}

async function noticesOf(modules: readonly Module[], folder: string | undefined): Promise<Notice[]> {
  const texts = async (name: string) => (folder ? await licenceTexts(join(folder, name)) : []);
  const used = modules.map(async ({ path, version }) => {
    const found = await texts(`${path}@${version}`);
    const fit = /^v\d/.test(version) ? `@${version}` : '';
    return path.startsWith('github.com/nats-io/')
      ? { name: path, version, licence: 'Apache-2.0', texts: found.length > 0 ? found : await ownLicence() }
      : { name: path, version, licence: `https://pkg.go.dev/${path}${fit}?tab=licenses`, texts: found };
  });
  return [
    ...(await Promise.all(used)),
    {
      name: 'Go',
      version: 'runtime and standard library',
      licence: 'BSD-3-Clause',
      texts: await texts('go'),
    },
  ];
}
