// Finds the headers that only tell the broker what to expect of a stream, in their bytes. This is done for each record that is read
// at a start, so no text is made of them.

const begin = Buffer.from('NATS/1.0\r\n');
const nameBegin = Buffer.from('Nats-Expected-');
const [cr, lf, colon, blank, minus, dot] = [13, 10, 58, 32, 45, 46];

/**
 * Returns whether the first `length` bytes are headers of NATS, at least one, that all begin with `Nats-Expected-`, each with a
 * plain value: `/^NATS\/1\.0\r\n(?:Nats-Expected-[A-Za-z-]+: [\w.-]*\r\n)+\r\n$/`.
 */
export function areExpectations(bytes: Uint8Array, length: number): boolean {
  if (!hasAt(bytes, 0, begin)) return false;
  let at = begin.length;
  do {
    if (!hasAt(bytes, at, nameBegin)) return false;
    const name = at + nameBegin.length;
    at = name;
    while (isLetter(bytes[at]) || bytes[at] === minus) at++;
    if (at === name || bytes[at] !== colon || bytes[at + 1] !== blank) return false;
    at += 2;
    while (isLetter(bytes[at]) || isDigitOr_(bytes[at]) || bytes[at] === minus || bytes[at] === dot) at++;
    if (bytes[at] !== cr || bytes[at + 1] !== lf) return false;
    at += 2;
  } while (bytes[at] !== cr);
  return bytes[at + 1] === lf && at + 2 === length;
}

function hasAt(bytes: Uint8Array, at: number, wanted: Uint8Array): boolean {
  for (let index = 0; index < wanted.length; index++) if (bytes[at + index] !== wanted[index]) return false;
  return true;
}

// A lower-case letter is the upper-case one with one more bit.
const isLetter = (byte = 0): boolean => (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a;
const isDigitOr_ = (byte = 0): boolean => (byte >= 0x30 && byte <= 0x39) || byte === 0x5f;
