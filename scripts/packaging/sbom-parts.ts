// Lists the components of the bill of materials, with the hashes that their distributors publish.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';
import { MusterError } from '../../agent/system/errors.ts';
import type { PackagedContents } from '../../agent/system/packaged.ts';
import type { Listed } from './build.ts';
import { checkout } from './checkout.ts';
import { goBuildInfo, type Module } from './go-build-info.ts';
import { targetNames, targetOf } from './target.ts';

/** A component of CycloneDX, with the members that are used here. */
export interface Component {
  readonly type: 'application' | 'library' | 'platform';
  readonly 'bom-ref': string;
  readonly group?: string;
  readonly name: string;
  readonly version: string;
  readonly hashes?: readonly { readonly alg: 'SHA-256' | 'SHA-512'; readonly content: string }[];
  readonly licenses?: readonly unknown[];
  readonly cpe?: string;
  readonly purl?: string;
  readonly externalReferences?: readonly { readonly type: 'license'; readonly url: string }[];
}

/** Returns the members for a licence, which is an SPDX expression or the address of a page with the licence. */
export function licences(said: string): Pick<Component, 'licenses' | 'externalReferences'> {
  if (said.startsWith('https://')) return { externalReferences: [{ type: 'license', url: said }] };
  // Some crates still write `MIT/Apache-2.0`.
  const expression = said.replaceAll('/', ' OR ');
  const single = /^[\w.+-]+$/.test(expression);
  return { licenses: [single ? { license: { id: expression } } : { expression }] };
}

/** Returns Node, as the npm package that it is taken from. */
export async function nodePart({ node, target }: PackagedContents): Promise<Component> {
  const name = targetNames.find(each => each === target);
  const from = name ? targetOf(name).node : '';
  return {
    type: 'platform',
    'bom-ref': 'node',
    name: 'Node.js',
    version: node,
    hashes: (await lockedByNpm())(from, node),
    licenses: [{ license: { name: 'MIT, and those of its parts, as in THIRD-PARTY-NOTICES' } }],
    cpe: `cpe:2.3:a:nodejs:node.js:${node}:*:*:*:*:*:*:*`,
    purl: npmPurl(from, node),
  };
}

/** Returns the npm packages in the bundle. */
export async function npmParts(packages: readonly Listed[]): Promise<Component[]> {
  const locked = await lockedByNpm();
  return packages.map(({ name, version, licence }) => {
    const [, group, own = name] = /^(@[^/]+)\/(.+)$/.exec(name) ?? [];
    const purl = npmPurl(name, version);
    return {
      type: 'library',
      'bom-ref': purl,
      ...(group ? { group } : {}),
      name: own,
      version,
      hashes: locked(name, version),
      ...licences(licence),
      purl,
    };
  });
}

const npmPurl = (name: string, version: string): string => `pkg:npm/${name.replace('@', '%40')}@${version}`;

type Hashes = NonNullable<Component['hashes']>;

/** Returns a function that finds the hashes of a package's archive in package-lock.json. */
async function lockedByNpm(): Promise<(name: string, version: string) => Hashes> {
  const { packages } = JSON.parse(await readFile(join(checkout, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version?: string; integrity?: string }>;
  };
  return (name, version) => {
    const found = Object.entries(packages).find(
      ([path, locked]) => path.endsWith(`node_modules/${name}`) && locked.version === version,
    );
    const digest = /^sha512-(.+)$/.exec(found?.[1].integrity ?? '')?.[1];
    if (digest) return [{ alg: 'SHA-512', content: Buffer.from(digest, 'base64').toString('hex') }];
    throw new MusterError('failed', `package-lock.json has no hash of ${name} ${version}`);
  };
}

/** Returns the broker, the modules that Go built it from, and Go's library; none when the file has no broker. */
export async function brokerParts(
  { broker }: PackagedContents,
  compressed: string | undefined,
): Promise<Component[]> {
  if ('missing' in broker || !compressed) return [];
  const info = goBuildInfo(await promisify(zstdDecompress)(await readFile(compressed)));
  const [server, ...modules] = info?.modules ?? [];
  if (!server) throw new MusterError('failed', 'the broker does not name its modules');
  return [
    {
      ...goPart({ ...server, version: `v${broker.version}` }),
      type: 'application',
      // This is the hash of the program. A module has the hash of its source instead.
      hashes: [{ alg: 'SHA-256', content: broker.sha256 }],
      ...licences('Apache-2.0'),
    },
    ...modules.map(goPart),
    ...(info?.go ? [standardLibrary(info.go)] : []),
  ];
}

function goPart({ path, version, sum }: Module): Component {
  // The version of a module from a checkout is `(devel)`.
  const fixed = version.startsWith('v');
  const purl = `pkg:golang/${path.toLowerCase()}${fixed ? `@${encodeURIComponent(version)}` : ''}`;
  const digest = /^h1:(.+)$/.exec(sum ?? '')?.[1];
  const page = `https://pkg.go.dev/${path}${fixed ? `@${version}` : ''}?tab=licenses`;
  return {
    type: 'library',
    'bom-ref': purl,
    name: path,
    version,
    ...(digest
      ? { hashes: [{ alg: 'SHA-256', content: Buffer.from(digest, 'base64').toString('hex') }] }
      : {}),
    ...(path.startsWith('github.com/nats-io/') ? licences('Apache-2.0') : licences(page)),
    purl,
  };
}

function standardLibrary(version: string): Component {
  const purl = `pkg:golang/stdlib@${version}`;
  return {
    type: 'library',
    'bom-ref': purl,
    name: 'stdlib',
    version,
    ...licences('BSD-3-Clause'),
    cpe: `cpe:2.3:a:golang:go:${version}:*:*:*:*:*:*:*`,
    purl,
  };
}

/** Returns the crates in the probe. One of them is Rust's standard library, which comes with the compiler. */
export async function cratesOf(crates: readonly Listed[]): Promise<Component[]> {
  const lock = await readFile(join(checkout, 'native/Cargo.lock'), 'utf8');
  const packages = lock.matchAll(/^name = "(.+)"\nversion = "(.+)"\nsource = ".+"\nchecksum = "(.+)"$/gm);
  const checksums = new Map([...packages].map(([, name, version, sum = '']) => [`${name} ${version}`, sum]));
  return crates.map(({ name, version, licence }) => {
    const sum = checksums.get(`${name} ${version}`);
    const purl = sum ? `pkg:cargo/${name}@${encodeURIComponent(version)}` : `pkg:generic/rust-std@${version}`;
    return {
      type: 'library',
      'bom-ref': purl,
      name,
      version,
      ...(sum ? { hashes: [{ alg: 'SHA-256', content: sum }] } : {}),
      ...licences(licence),
      purl,
    };
  });
}
