// Signs a macOS program ad hoc, as Apple silicon asks of every program: hashes of its pages, and no certificate.
// Layouts: <mach-o/loader.h>, and cs_blobs.h of Apple's XNU.
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';

/** Signs `file` in place under the name `identifier`, in place of a signature that it has. Throws when it cannot. */
export async function signAdHoc(file: string, identifier: string): Promise<void> {
  await writeFile(file, signed(await readFile(file), identifier));
}

const header = { magic: 0xfeedfacf, size: 32, commandCount: 16, commandsSize: 20 };
const commandKind = { segment: 0x19, codeSignature: 0x1d };
/** Of a segment command, and of the sections that follow it. */
const segment = { name: 8, memorySize: 32, fileOffset: 40, fileSize: 48, sectionCount: 64, sections: 72 };
const section = { size: 80, fileOffset: 48 };
/** Of the command that says where the signature is. */
const signature = { size: 16, offset: 8, length: 12 };

const pageSize = 4096;
const hashSize = 32;
/** Of the memory of Apple silicon. */
const memoryPageSize = 16_384;

/** Flags of the signature: without a certificate; and made by a linker, which may then be replaced by anybody. */
export const signatureFlags = { adHoc: 0x2, linkerSigned: 0x20000 };

/** The program `input`, signed. */
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
  // The hashes cover the commands, so they come last.
  const text = {
    textOffset: output.readBigUInt64LE(found.text + segment.fileOffset),
    textSize: output.readBigUInt64LE(found.text + segment.fileSize),
  };
  writeBlob(output, { codeLength, identifier, flags, ...text });
  return output;
}

interface Commands {
  /** Offsets of the commands. */
  readonly linkEdit: number;
  readonly text: number;
  readonly signature: number | undefined;
  /** Where the commands end, and where what follows them begins. */
  readonly end: number;
  readonly firstSection: number;
}

function readCommands(input: Buffer): Commands {
  if (input.readUInt32LE(0) !== header.magic)
    throw new Error('this is no program of macOS for one 64-bit processor');
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
        // One without content in the file begins at 0.
        if (begin > 0) firstSection = Math.min(firstSection, begin);
      }
    }
    at += input.readUInt32LE(at + 4);
  }
  const [linkEdit, text] = [segments.get('__LINKEDIT'), segments.get('__TEXT')];
  if (linkEdit === undefined || text === undefined)
    throw new Error('this program lacks __TEXT or __LINKEDIT');
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

/** The signature lies at the end of that segment, which is the last of the file. */
function growLinkEdit(output: Buffer, command: number): void {
  const size = output.length - Number(output.readBigUInt64LE(command + segment.fileOffset));
  output.writeBigUInt64LE(BigInt(size), command + segment.fileSize);
  if (Number(output.readBigUInt64LE(command + segment.memorySize)) < size)
    output.writeBigUInt64LE(BigInt(roundUp(size, memoryPageSize)), command + segment.memorySize);
}

/** A super blob with one part, the code directory: its head, the identifier, and a hash for each page. */
const superBlob = { magic: 0xfade0cc0, size: 20 };
const directory = { magic: 0xfade0c02, size: 88, version: 0x20400 };
const sha256 = 2;
/** It is a program, and no library. */
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
  // One part, of type 0, and where it begins.
  words(superBlob.magic, length, 1, 0, superBlob.size);
  words(directory.magic, length - superBlob.size, directory.version, flags, hashes, directory.size);
  // No special slots.
  words(0, pages(codeLength), codeLength);
  at += Buffer.from([hashSize, sha256, 0, Math.log2(pageSize)]).copy(output, at);
  // Spare, no scatter, no team, spare, and the code's length in 64 bits only where 32 are not enough.
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
