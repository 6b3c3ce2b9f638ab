// Encodes the few kinds of values that a certificate consists of, in the form DER (ITU-T X.690). It reads nothing.

/** Returns a value with its tag and its length. */
function encode(tag: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag, ...lengthOf(content.length)]), content]);
}

export const sequence = (...parts: Uint8Array[]): Buffer => encode(0x30, ...parts);
export const set = (...parts: Uint8Array[]): Buffer => encode(0x31, ...parts);
export const octets = (...parts: Uint8Array[]): Buffer => encode(0x04, ...parts);
export const utf8 = (text: string): Buffer => encode(0x0c, Buffer.from(text, 'utf8'));
export const yes: Buffer = encode(0x01, Buffer.from([0xff]));

/** Returns a whole number that is not negative. `bytes` begin with the most significant one. */
export function unsigned(bytes: Uint8Array): Buffer {
  const first = bytes.findIndex(byte => byte !== 0);
  const digits = first < 0 ? Buffer.from([0]) : bytes.subarray(first);
  // The highest bit of the first byte is the sign.
  return encode(0x02, Buffer.from((digits[0] ?? 0) & 0x80 ? [0] : []), digits);
}

/** Returns bits. The last `unusedBits` of them have no meaning. */
export const bits = (bytes: Uint8Array, unusedBits = 0): Buffer =>
  encode(0x03, Buffer.from([unusedBits]), bytes);

/** Returns an object identifier, such as `2.5.4.3`. */
export function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return encode(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(inSevenBits)]));
}

/** Returns a time in whole seconds. RFC 5280 wants years of two digits until 2049, and of four digits after that. */
export function time(at: Date): Buffer {
  const text = `${at.toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`;
  return at.getUTCFullYear() < 2050 ? encode(0x17, ascii(text.slice(2))) : encode(0x18, ascii(text));
}

/** Returns a value with a tag of its context, around the whole value. */
export const tagged = (tag: number, value: Uint8Array): Buffer => encode(0xa0 | tag, value);

/** Returns bytes with a tag of their context instead of their own. */
export const retagged = (tag: number, bytes: Uint8Array): Buffer => encode(0x80 | tag, bytes);

export const ascii = (text: string): Buffer => Buffer.from(text, 'latin1');

function lengthOf(length: number): number[] {
  if (length < 0x80) return [length];
  const bytes = inBytes(length);
  return [0x80 | bytes.length, ...bytes];
}

const inBytes = (value: number): number[] => (value < 256 ? [value] : [...inBytes(value >> 8), value & 255]);

// All groups of seven bits but the last one have their highest bit set.
function inSevenBits(value: number): number[] {
  const groups = [value & 127];
  for (let rest = value >> 7; rest > 0; rest >>= 7) groups.unshift((rest & 127) | 128);
  return groups;
}
