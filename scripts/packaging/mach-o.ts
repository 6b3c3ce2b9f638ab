// Signs a macOS program ad hoc, which means with hashes of its pages and without a certificate. Apple silicon runs no
// program without a signature. The layouts are those of <mach-o/loader.h> and of cs_blobs.h in Apple's XNU.
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';

/**
 * Signs `file` in place under the name `identifier`. A signature that it has is replaced.
 * @throws Error when the file is not a 64-bit program of macOS, or has no room for a signature.
 */
export async function signAdHoc(file: string, identifier: string): Promise<void> {
  await writeFile(file, signed(await readFile(file), identifier));
}

const header = { magic: 0xfeedfacf, size: 32, commandCount: 16, commandsSize: 20 };
const commandKind = { segment: 0x19, codeSignature: 0x1d };
/** The layout of a segment command and of the sections that follow it, as offsets in bytes. */
const segment = { name: 8, memorySize: 32, fileOffset: 40, fileSize: 48, sectionCount: 64, sections: 72 };
const section = { size: 80, fileOffset: 48 };
/** The layout of the command that says where the signature is. */
const signature = { size: 16, offset: 8, length: 12 };

const pageSize = 4096;
const hashSize = 32;
/** The page size of Apple silicon's memory, in bytes. */
const memoryPageSize = 16_384;

/** The flags of a signature: it has no certificate; a linker made it, so other tools may replace it. */
export const signatureFlags = { adHoc: 0x2, linkerSigned: 0x20000 };

/** Returns the program `input` with a signature. */
export function signed(input: Buffer, identifier: string, flags = signatureFlags.adHoc): Buffer {
  const found = readCommands(input);
  const codeLength = found.signature
    ? input.readUInt32LE(found.signature + signature.offset)
    : roundUp(input.length, 16);
  const needed = blobLength(codeLength, identifier);
  const before = found.signature && input.readUInt32LE(found.signature + signature.length);
  const length = before === needed ? needed : roundUp(needed, 16);
  const output = Buffer.alloc(codeLength + length);
  input.copy(output, 0, 0, Math.min(input.length, codeLength));
  const command = found.signature ?? addCommand(output, found);
  output.writeUInt32LE(codeLength, command + signature.offset);
  output.writeUInt32LE(length, command + signature.length);
  growLinkEdit(output, found.linkEdit);
  // The hashes are made last, because they cover the commands too.
  const text = {
    textOffset: output.readBigUInt64LE(found.text + segment.fileOffset),
    textSize: output.readBigUInt64LE(found.text + segment.fileSize),
  };
  writeBlob(output, { codeLength, identifier, flags, ...text });
  return output;
}

interface Commands {
  /** The offsets of the commands. */
  readonly linkEdit: number;
  readonly text: number;
  readonly signature: number | undefined;
  /** The offset where the commands end, and the offset of the first section behind them. */
  readonly end: number;
  readonly firstSection: number;
}

function readCommands(input: Buffer): Commands {
  if (input.readUInt32LE(0) !== header.magic)
    throw new Error('this is not a macOS program for one 64-bit processor');
  const segments = new Map<string, number>();
  let [at, firstSection] = [header.size, Number.POSITIVE_INFINITY];
  let found: number | undefined;
  for (let left = input.readUInt32LE(header.commandCount); left > 0; left--) {
    const kind = input.readUInt32LE(at);
    if (kind === commandKind.codeSignature) found = at;
    if (kind === commandKind.segment) {
      segments.set(
        input.toString('latin1', at + segment.name, at + segment.name + 16).replace(/\0.*/s, ''),
        at,
      );
      for (let index = 0; index < input.readUInt32LE(at + segment.sectionCount); index++) {
        const begin = input.readUInt32LE(at + segment.sections + index * section.size + section.fileOffset);
        // A section without content in the file begins at 0.
        if (begin > 0) firstSection = Math.min(firstSection, begin);
      }
    }
    at += input.readUInt32LE(at + 4);
  }
  const [linkEdit, text] = [segments.get('__LINKEDIT'), segments.get('__TEXT')];
  if (linkEdit === undefined || text === undefined)
    throw new Error('this program has no segment __TEXT or __LINKEDIT');
  return { linkEdit, text, signature: found, end: at, firstSection };
}

function addCommand(output: Buffer, { end, firstSection }: Commands): number {
  if (end + signature.size > firstSection) throw new Error('this program has no room for a signature');
  output.writeUInt32LE(commandKind.codeSignature, end);
  output.writeUInt32LE(signature.size, end + 4);
  output.writeUInt32LE(output.readUInt32LE(header.commandCount) + 1, header.commandCount);
  output.writeUInt32LE(output.readUInt32LE(header.commandsSize) + signature.size, header.commandsSize);
  return end;
}

/** Makes __LINKEDIT longer: it is the last segment of the file, and the signature lies at its end. */
function growLinkEdit(output: Buffer, command: number): void {
  const size = output.length - Number(output.readBigUInt64LE(command + segment.fileOffset));
  output.writeBigUInt64LE(BigInt(size), command + segment.fileSize);
  if (Number(output.readBigUInt64LE(command + segment.memorySize)) < size)
    output.writeBigUInt64LE(BigInt(roundUp(size, memoryPageSize)), command + segment.memorySize);
}

/** The signature is a super blob with one part, the code directory: a header, the identifier, and a hash for each page. */
const superBlob = { magic: 0xfade0cc0, size: 20 };
const directory = { magic: 0xfade0c02, size: 88, version: 0x20400 };
const sha256 = 2;
/** The flag that tells a program from a library. */
const mainBinary = 1n;

const pages = (codeLength: number): number => Math.ceil(codeLength / pageSize);

function blobLength(codeLength: number, identifier: string): number {
  return superBlob.size + directory.size + identifier.length + 1 + pages(codeLength) * hashSize;
}

interface Signing {
  readonly codeLength: number;
  readonly identifier: string;
  readonly flags: number;
  readonly textOffset: bigint;
  readonly textSize: bigint;
}

function writeBlob(output: Buffer, signing: Signing): void {
  const { codeLength, identifier, flags, textOffset, textSize } = signing;
  const length = blobLength(codeLength, identifier);
  const hashes = directory.size + identifier.length + 1;
  let at = codeLength;
  const words = (...values: number[]) => {
    for (const value of values) at = output.writeUInt32BE(value, at);
  };
  // The last three numbers say that there is one part, that its type is 0, and where it begins.
  words(superBlob.magic, length, 1, 0, superBlob.size);
  words(directory.magic, length - superBlob.size, directory.version, flags, hashes, directory.size);
  // The first number says that there are no special slots.
  words(0, pages(codeLength), codeLength);
  at += Buffer.from([hashSize, sha256, 0, Math.log2(pageSize)]).copy(output, at);
  // The fields that are not used are 0. The 64-bit length is one of them, because the code's length fits into 32 bits.
  words(0, 0, 0, 0, 0, 0);
  for (const value of [textOffset, textSize, mainBinary]) at = output.writeBigUInt64BE(value, at);
  at += output.write(`${identifier}\0`, at, 'latin1');
  for (let begin = 0; begin < codeLength; begin += pageSize) {
    const page = output.subarray(begin, Math.min(begin + pageSize, codeLength));
    at += createHash('sha256').update(page).digest().copy(output, at);
  }
}

function roundUp(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}
