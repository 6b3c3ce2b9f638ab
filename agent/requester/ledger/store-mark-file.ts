// The file of the store mark, in the requester's own folder.
import * as v from 'valibot';
import { parseJson } from '../../protocol/json.ts';
import { validate } from '../../protocol/schema.ts';
import { MusterError } from '../../system/errors.ts';
import { writeFileAtomic } from '../../system/files.ts';
import { readOwnFile } from '../../system/read-file.ts';

export const storeMarkFileName = 'store-mark.json';

const revision = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const text = v.pipe(v.string(), v.maxLength(128));
const schema = v.object({
  version: v.literal(1),
  cluster: text,
  /** The time of creation of the bucket `muster_v1`, as the broker writes it, empty in a cluster, and its newest revision. */
  created: text,
  revision,
  /** The buckets and streams that were there. A cluster that does not find one of them is not believed. */
  streams: v.optional(v.pipe(v.array(text), v.maxLength(16))),
  /** When an older store was found, and how far it was; until an operator confirms it. */
  older: v.optional(v.object({ at: text, revision, expected: revision })),
  /** When the store was restored from a backup; until the first start has made it say what the ledger says. */
  restored: v.optional(v.object({ at: text })),
  /** The restore that the store names, and the newest one that any store has named, in milliseconds since 1970. */
  storeRestoredAtMs: v.optional(revision),
  newestRestoreAtMs: v.optional(revision),
});
export type Mark = Omit<v.InferOutput<typeof schema>, 'version'>;
export type OlderStore = NonNullable<Mark['older']>;

/** Reads the file at `path`; undefined when there is none. @throws MusterError `bad_state` */
export async function readMark(path: string): Promise<Mark | undefined> {
  const kept = await readOwnFile(path);
  if (!kept) return undefined;
  try {
    return parseMark(kept.data);
  } catch (cause) {
    throw new MusterError('bad_state', `${path} cannot be read: it says how far the store was`, {
      hint: 'restore it from a backup, or remove it: then an older copy of the store is not noticed at the next start',
      cause,
    });
  }
}

/** Reads the content of the file. @throws ProtocolError */
export function parseMark(data: Uint8Array): Mark {
  const { version: _, ...mark } = validate(schema, parseJson(data));
  return mark;
}

/** Writes the file. @throws MusterError `not_writable` */
export const writeMarkFile = (path: string, mark: Mark): Promise<void> =>
  writeFileAtomic(path, `${JSON.stringify({ version: 1, ...mark })}\n`);
