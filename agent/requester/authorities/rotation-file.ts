// The rotation file says in the requester's folder that another CA is to follow the present one, and which nodes trust it
// already.
import { join } from 'node:path';
import * as v from 'valibot';
import { parseJson } from '../../protocol/json.ts';
import { validate } from '../../protocol/schema.ts';
import { MusterError } from '../../system/errors.ts';
import { removeFile, writeFileAtomic } from '../../system/files.ts';
import { readOwnFile } from '../../system/read-file.ts';

const fileName = 'ca-rotation.json';
/** Size of the largest file, in bytes: with the ids of 100 000 nodes. */
const maxBytes = 32 * 1024 * 1024;

const text = v.pipe(v.string(), v.maxLength(256));
const schema = v.object({
  version: v.literal(1),
  /** The pin of the next CA. */
  next: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{43}$/)),
  /** The operator who wants it, and when (RFC 3339). */
  by: text,
  at: text,
  /** The nodes that keep the next CA on their disks. */
  confirmed: v.array(v.pipe(v.string(), v.maxLength(128))),
  /** Whether all approved nodes do. */
  isReady: v.boolean(),
  /** Who wants the next CA to be used whether they do or not. */
  forcedBy: v.optional(text),
});
export type Rotation = Omit<v.InferOutput<typeof schema>, 'version'>;

/** Reads the file in the requester's folder; undefined when no other CA is to follow. @throws MusterError `bad_state` */
export async function readRotation(folder: string): Promise<Rotation | undefined> {
  const path = join(folder, fileName);
  const kept = await readOwnFile(path, maxBytes);
  if (!kept) return undefined;
  try {
    const { version: _, ...rotation } = validate(schema, parseJson(kept.data, maxBytes));
    return rotation;
  } catch (cause) {
    throw new MusterError('bad_state', `${path} cannot be read: it says which CA is used next`, {
      hint: `remove it to stay with the present CA: rm ${path}`,
      cause,
    });
  }
}

/** Writes the file, or removes it for undefined. @throws MusterError `not_writable` */
export async function writeRotation(folder: string, rotation: Rotation | undefined): Promise<void> {
  const path = join(folder, fileName);
  if (!rotation) await removeFile(path);
  else await writeFileAtomic(path, `${JSON.stringify({ version: 1, ...rotation })}\n`);
}

/** Returns the pin of the CA that a start puts in the place of the present one; undefined for none. */
export const dueAuthority = (rotation: Rotation | undefined): string | undefined =>
  rotation && (rotation.isReady || rotation.forcedBy !== undefined) ? rotation.next : undefined;
