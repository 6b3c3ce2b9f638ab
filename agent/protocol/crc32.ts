// Computes the CRC-32 of bytes. Loading node:zlib takes 4 ms of each start, so only a process that reads much uses it.

/** From so many bytes on, the function of node:zlib has saved what loading it costs. */
const manyBytes = 1_048_576;

let seenBytes = 0;
let table: Uint32Array | undefined;
let native: ((bytes: Uint8Array) => number) | undefined;

/** Returns the CRC-32 of `bytes`, as node:zlib does. */
export function crc32(bytes: Uint8Array): number {
  if (native) return native(bytes);
  seenBytes += bytes.length;
  if (seenBytes < manyBytes) return crcByTable(bytes);
  native = process.getBuiltinModule('node:zlib').crc32;
  return native(bytes);
}

function crcByTable(bytes: Uint8Array): number {
  table ??= makeTable();
  let crc = ~0;
  for (const byte of bytes) crc = (table[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** Returns what each byte adds, by the polynomial of Ethernet (ISO 3309) with its bits in reverse. */
const makeTable = (): Uint32Array =>
  Uint32Array.from({ length: 256 }, (_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xed_b8_83_20 : value >>> 1;
    return value;
  });
