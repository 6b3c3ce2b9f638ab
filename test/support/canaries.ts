// Canaries: secrets that are found again wherever they get out, however they are written there.
import { randomBytes } from 'node:crypto';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';

export class Canaries {
  readonly #planted = new Map<string, string>();
  readonly #heard: { where: string; bytes: Buffer }[] = [];

  /** Makes one, with characters that every way of writing treats in its own way. */
  make(name: string): string {
    return this.plant(name, `Cnry~${name}"\\/+=&${randomBytes(12).toString('hex')}`);
  }

  /** A secret that was made elsewhere. */
  plant(name: string, secret: string): string {
    this.#planted.set(name, secret);
    return secret;
  }

  /** Something that got out. */
  hear(where: string, what: string | Buffer): void {
    const bytes = Buffer.from(what);
    this.#heard.push({ where, bytes });
    if (/\.t?gz$/.test(where)) this.hear(`${where}, unpacked`, gunzipSync(bytes));
    if (where.endsWith('.zst')) this.hear(`${where}, unpacked`, zstdDecompressSync(bytes));
  }

  /** Bytes that were heard. */
  get heard(): number {
    return this.#heard.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  /** Which canary is in what, and how it is written there. */
  found(): string[] {
    return [...this.#planted].flatMap(([name, secret]) =>
      Object.entries(forms(secret)).flatMap(([form, texts]) =>
        this.#heard.flatMap(({ where, bytes }) => {
          const text = texts.find(each => bytes.includes(each));
          return text === undefined ? [] : [`${name}, ${form}, in ${where}: ${around(bytes, text)}`];
        }),
      ),
    );
  }
}

/** The ways in which a secret may be written. Of one with several lines, such as a key, each long one counts. */
function forms(secret: string): Record<string, string[]> {
  const lines = secret
    .split('\n')
    .map(line => line.trim())
    .filter(line => line.length >= 12 && !line.startsWith('---') && !/^(NKEYs|\*\*\*)/.test(line));
  const each = (write: (line: string) => string[]) => lines.flatMap(write);
  return {
    'as it is': each(line => [line]),
    'its beginning': each(line => [line.slice(0, 24)]),
    'its end': each(line => [line.slice(-20)]),
    'in JSON': each(line => [JSON.stringify(line).slice(1, -1)]),
    'in a URL': each(line => [
      encodeURIComponent(line),
      new URLSearchParams({ a: line }).toString().slice(2),
    ]),
    'in hex': each(line => [Buffer.from(line).toString('hex')]),
    'in base64': each(line => [0, 1, 2].flatMap(offset => base64Cores(line, offset))),
  };
}

/** What base64 makes of `text` that stands `offset` bytes (of three) into something larger, whatever is around it. */
function base64Cores(text: string, offset: number): string[] {
  const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(text)]);
  const start = Math.ceil((offset * 8) / 6);
  const end = Math.floor((bytes.length * 8) / 6);
  return (['base64', 'base64url'] as const).map(kind => bytes.toString(kind).slice(start, end));
}

function around(bytes: Buffer, text: string): string {
  const at = bytes.indexOf(text);
  return JSON.stringify(bytes.subarray(Math.max(0, at - 80), at + text.length + 40).toString('latin1'));
}
