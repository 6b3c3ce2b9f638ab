// Makes a tar archive of a few files, in the ustar format of POSIX (pax, "ustar Interchange Format").

export interface TarFile {
  /** Path of at most 100 bytes, without a leading slash. */
  readonly name: string;
  readonly data: Buffer;
  /** Permissions. By default only the owner may read and write the file. */
  readonly mode?: number;
}

const block = 512;

/**
 * Returns the archive of `files`. Each belongs to root and has the time `mtime`. Throws RangeError for a name or size that
 * does not fit.
 */
export function tar(files: readonly TarFile[], mtime: Date): Buffer {
  const parts = files.flatMap(({ name, data, mode = 0o600 }) => [
    header(name, data.length, mode, mtime),
    data,
    padding(data.length),
  ]);
  // Two empty blocks end an archive.
  return Buffer.concat([...parts, Buffer.alloc(2 * block)]);
}

const padding = (length: number): Buffer => Buffer.alloc((block - (length % block)) % block);

function header(name: string, size: number, mode: number, mtime: Date): Buffer {
  const fields = Buffer.alloc(block);
  const write = (text: string, at: number, width: number) => {
    if (Buffer.byteLength(text) > width) throw new RangeError(`${text} does not fit into ${width} bytes`);
    fields.write(text, at);
  };
  // Writes a number in octal digits, followed by a zero byte.
  const number = (value: number, at: number, width: number) =>
    write(`${value.toString(8).padStart(width - 1, '0')}\0`, at, width);
  write(name, 0, 100);
  number(mode, 100, 8);
  number(0, 108, 8);
  number(0, 116, 8);
  number(size, 124, 12);
  number(Math.floor(mtime.getTime() / 1000), 136, 12);
  // The checksum is computed with blanks in its own place.
  write(' '.repeat(8), 148, 8);
  write('0', 156, 1);
  write('ustar\0', 257, 6);
  write('00', 263, 2);
  const sum = fields.reduce((total, byte) => total + byte, 0);
  write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 8);
  return fields;
}
