// Defines the file of a backup: a first line, the parts one after the other, the list of parts as JSON, and a last line with
// the length of the list and a digest of everything before it. The functions are pure.
import * as v from 'valibot';
import { ProtocolError } from '../../protocol/error.ts';
import { parseJson } from '../../protocol/json.ts';
import { validate } from '../../protocol/schema.ts';
import { backedUpFiles, backedUpStreams } from './backup-contents.ts';

/** The form of the file that this program writes, and the newest one that it reads. */
const form = 1;

export const firstLine = `muster backup ${form}\n`;
/** Size of the longest first line of any form, in bytes. */
export const firstLineBytes = 24;
/** Size of the last line, in bytes. */
export const lastLineBytes = 80;
/** Size of the longest list of parts, in bytes. */
const maxListBytes = 256 * 1024;

const size = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const short = v.pipe(v.string(), v.maxLength(128));
const digest = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const description = v.record(v.pipe(v.string(), v.maxLength(64)), v.unknown());
const partSchema = v.variant('kind', [
  v.object({ kind: v.literal('file'), name: v.picklist(backedUpFiles), bytes: size, sha256: digest }),
  v.object({
    kind: v.literal('stream'),
    name: v.picklist(backedUpStreams),
    bytes: size,
    sha256: digest,
    /** What the broker said of the stream when it copied it. It gets the same back. */
    config: description,
    state: description,
    /** Number of messages, and the sequence of the newest one. */
    messages: size,
    lastSequence: size,
  }),
]);
const listSchema = v.object({
  /** The version of muster that wrote the file. */
  muster: short,
  cluster: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{1,128}$/)),
  /** The id of the requester. */
  requester: short,
  /** The time at which the records were copied, RFC 3339. */
  at: v.pipe(v.string(), v.isoTimestamp()),
  /** The newest event at that time. What came later tells of records that the backup does not have. */
  eventsUntil: size,
  parts: v.pipe(v.array(partSchema), v.maxLength(backedUpFiles.length + backedUpStreams.length)),
});

export type BackupList = v.InferOutput<typeof listSchema>;
export type BackupPart = BackupList['parts'][number];
export type StreamPart = Extract<BackupPart, { kind: 'stream' }>;

/** Returns what follows the parts, without the digest: the list, and the beginning of the last line. */
export function writeListAndLength(list: BackupList): string {
  const text = JSON.stringify(list);
  return `${text}\nend ${String(Buffer.byteLength(text)).padStart(9, '0')} `;
}

/** What the first line says: another file, a backup of a later form, or one that can be read. */
export function readFirstLine(start: Buffer): 'foreign' | 'newer' | 'known' {
  const number = /^muster backup (\d{1,6})\n/.exec(start.toString('latin1'))?.[1];
  if (number === undefined) return 'foreign';
  return Number(number) === form ? 'known' : 'newer';
}

/** Reads the last line; undefined when it is none, because the file ends in the middle. */
export function readLastLine(end: Buffer): { listBytes: number; sha256: string } | undefined {
  const [, length, sha256] = /^\nend (\d{9}) ([0-9a-f]{64})\n$/.exec(end.toString('latin1')) ?? [];
  const listBytes = Number(length);
  return sha256 === undefined || listBytes > maxListBytes ? undefined : { listBytes, sha256 };
}

/** Reads the list of parts. `partBytes` is the size of all parts together. @throws ProtocolError */
export function readList(data: Uint8Array, partBytes: number): BackupList {
  const list = validate(listSchema, parseJson(data, maxListBytes));
  const { parts } = list;
  if (new Set(parts.map(({ name }) => name)).size < parts.length)
    throw new ProtocolError('malformed', 'a part is there twice');
  if (parts.reduce((sum, { bytes }) => sum + bytes, 0) !== partBytes)
    throw new ProtocolError('malformed', 'the parts have another size');
  const missing = backedUpStreams.find(name => !parts.some(part => part.name === name));
  if (missing !== undefined) throw new ProtocolError('malformed', `the stream ${missing} is missing`);
  return list;
}
