// Reads the recorded messages of real Bacalhau peers.
import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';

export interface Capture {
  name: string;
  subject: string;
  encoding: 'plain-json' | 'envelope-json-v1';
  bytes: Buffer;
  /** The same message as JSON. For an envelope, these are the metadata and the payload. */
  decoded: unknown;
}

const read = (name: string) => readFileSync(new URL(`../fixtures/bacalhau/${name}`, import.meta.url), 'utf8');

export const captures: readonly Capture[] = JSON.parse(read('golden.json')).map(
  ({ name, subject, encoding, hex, decoded }: Capture & { hex: string }): Capture => ({
    name,
    subject,
    encoding,
    bytes: Buffer.from(hex, 'hex'),
    decoded,
  }),
);

export const enveloped = captures.filter(each => each.encoding === 'envelope-json-v1');

/** Returns the recording with this name. */
export function capture(name: string): Capture {
  const found = captures.find(each => each.name === name);
  if (!found) throw new Error(`there is no recording called ${name}`);
  return found;
}

/** The answers of an orchestrator to unusual requests, by the name of the request; the last answer of each name. */
export const probes: ReadonlyMap<string, string> = new Map(
  [...read('orchestrator-probe-responses.txt').matchAll(/^## ([^\n{]*?) *(?:\n +)?(\{.*\})$/gm)].map(
    ([, name = '', answer = '']) => [name, answer],
  ),
);

/** Makes an envelope from a version, a checksum and a body, without the code that is tested. */
export function envelopeOf(body: Uint8Array | string, version = 1): Buffer {
  const bytes = Buffer.from(body);
  const header = Buffer.alloc(5);
  header[0] = version;
  header.writeUInt32BE(crc32(bytes), 1);
  return Buffer.concat([header, bytes]);
}
