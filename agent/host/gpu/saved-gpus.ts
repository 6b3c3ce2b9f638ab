// Saves the GPUs of the last scan in a file. After a restart the agent offers them until its first scan is done.
import { join } from 'node:path';
import * as v from 'valibot';
import { parseJson } from '../../protocol/json.ts';
import { compactResources, type Gpu, resourcesSchema } from '../../protocol/resources.ts';
import { validate } from '../../protocol/schema.ts';
import { writeFileAtomic } from '../../system/files.ts';
import { readBounded } from '../../system/read-file.ts';

// GPUs are stored in the protocol's form, because its schema limits and checks everything.
const schema = v.object({
  found: resourcesSchema,
  driver: v.optional(v.pipe(v.string(), v.maxLength(64))),
});

/** The part of a scan that is saved. */
export interface SavedGpus {
  gpus: Gpu[];
  driver?: string | undefined;
}

const pathIn = (folder: string): string => join(folder, 'gpus.json');

/**
 * Loads the GPUs that were saved in `folder`. Returns undefined when there is no file. Throws ProtocolError or
 * MusterError when the file cannot be read.
 */
export async function loadGpus(folder: string): Promise<SavedGpus | undefined> {
  const data = await readBounded(pathIn(folder));
  if (!data) return undefined;
  const { found, driver } = validate(schema, parseJson(data));
  return { gpus: found.GPUs ?? [], driver };
}

/** Saves the GPUs in `folder`. Throws MusterError `not_writable`. */
export async function saveGpus(folder: string, { gpus, driver }: SavedGpus): Promise<void> {
  const saved = { found: compactResources({ GPU: gpus.length, GPUs: gpus }), driver };
  await writeFileAtomic(pathIn(folder), `${JSON.stringify(saved, null, 2)}\n`);
}
