// Writes the bill of materials: everything that is in the executable, in CycloneDX 1.6
// (https://cyclonedx.org/docs/1.6/json/).
import { createHash } from 'node:crypto';
import { version } from '../../agent/system/version.ts';
import type { Built } from './build.ts';
import { sha256 } from './checksums.ts';
import { brokerParts, type Component, cratesOf, licences, nodePart, npmParts } from './sbom-parts.ts';

/**
 * Returns the document for `built`, with the date `date`. The same executable gives the same document and serial number.
 * @throws MusterError when a package in it is not in the lockfiles.
 */
export async function sbom(
  built: Pick<Built, 'file' | 'contents' | 'parts' | 'listed'>,
  date: Date,
): Promise<string> {
  const { contents, listed } = built;
  const [node, npm, broker, crates] = await Promise.all([
    nodePart(contents),
    npmParts(listed.npm),
    brokerParts(contents, built.parts['nats-server.zst']),
    cratesOf(listed.crates),
  ]);
  const probe = probeOf(built);
  const top = [node, broker[0], probe, ...npm].filter(part => part !== undefined);
  const program: Component = {
    type: 'application',
    'bom-ref': 'muster',
    name: 'muster',
    version,
    ...licences('Apache-2.0'),
    purl: `pkg:generic/muster@${encodeURIComponent(version)}`,
    hashes: [{ alg: 'SHA-256', content: await sha256(built.file) }],
  };
  const content = {
    version: 1,
    metadata: {
      timestamp: date.toISOString(),
      lifecycles: [{ phase: 'build' }],
      component: program,
      properties: [{ name: 'muster:target', value: contents.target }],
    },
    components: [...new Set([...top, ...broker, ...crates])],
    dependencies: [
      dependencies(program, top),
      ...broker.slice(0, 1).map(server => dependencies(server, broker.slice(1))),
      ...(probe ? [dependencies(probe, crates)] : []),
    ],
  };
  const head = {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOf(JSON.stringify(content))}`,
  };
  return `${JSON.stringify({ ...head, ...content }, null, 2)}\n`;
}

function probeOf({ contents }: Pick<Built, 'contents'>): Component | undefined {
  if ('missing' in contents.probe) return undefined;
  return {
    type: 'library',
    'bom-ref': 'muster/probe',
    name: 'muster native probe',
    version,
    ...licences('Apache-2.0'),
    hashes: [{ alg: 'SHA-256', content: contents.probe.sha256 }],
  };
}

const dependencies = (of: Component, on: readonly Component[]) => ({
  ref: of['bom-ref'],
  dependsOn: on.map(part => part['bom-ref']),
});

/** Returns a UUID that is made of the hash of `text` (RFC 9562, version 8). */
function uuidOf(text: string): string {
  const bytes = createHash('sha256').update(text).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
