// Canaries are secrets for tests, which are found in any output that contains them, in whatever form.
import { randomBytes } from 'node:crypto';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';

export class Canaries {
  readonly #planted = new Map<string, string>();
  readonly #outputs: { where: string; bytes: Buffer }[] = [];

  /** Makes a secret with characters that each form, such as JSON or a URL, writes differently. */
  make(name: string): string {
    return this.plant(name, `Cnry~${name}"\\/+=&${randomBytes(12).toString('hex')}`);
  }

  /** Adds a secret that was made elsewhere. */
  plant(name: string, secret: string): string {
    this.#planted.set(name, secret);
    return secret;
  }

  /** Adds an output, in which no canary may be. A compressed one is also searched unpacked. */
  addOutput(where: string, what: string | Buffer): void {
    const bytes = Buffer.from(what);
    this.#outputs.push({ where, bytes });
    if (/\.t?gz$/.test(where)) this.addOutput(`${where}, unpacked`, gunzipSync(bytes));
    if (where.endsWith('.zst')) this.addOutput(`${where}, unpacked`, zstdDecompressSync(bytes));
  }

  /** Returns the size of all outputs, in bytes. */
  get outputBytes(): number {
    return this.#outputs.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  /** Returns which canary is in which output, and in which form. */
  leaks(): string[] {
    return [...this.#planted].flatMap(([name, secret]) =>
      Object.entries(forms(secret)).flatMap(([form, texts]) =>
        this.#outputs.flatMap(({ where, bytes }) => {
          const text = texts.find(each => bytes.includes(each));
          return text === undefined ? [] : [`${name}, ${form}, in ${where}: ${around(bytes, text)}`];
        }),
      ),
    );
  }
}

/**
 * Returns the forms in which a secret may be written. In a secret with several lines, such as a key, each long line counts.
 */
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

/** Returns how base64 writes `text` inside something larger, at an offset of 0 to 2 bytes, whatever is around it. */
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
