// The GPUs of the last look, kept across restarts: an agent that starts says what was known, not that its GPUs are gone.
import { join } from 'node:path';
import * as v from 'valibot';
import { parseJson } from '../../protocol/json.ts';
import { compactResources, type Gpu, resourcesSchema } from '../../protocol/resources.ts';
import { validate } from '../../protocol/schema.ts';
import { readBounded, writeFileAtomic } from '../../system/files.ts';

// In the protocol's words for resources, which bound and check all of it.
const schema = v.object({
  found: resourcesSchema,
  driver: v.optional(v.pipe(v.string(), v.maxLength(64))),
});

/** What is kept of a look. */
export interface SavedGpus {
  gpus: Gpu[];
  driver?: string | undefined;
}

const pathIn = (folder: string): string => join(folder, 'gpus.json');

/** What was kept in `folder`; undefined when there is nothing. Throws ProtocolError or MusterError for what cannot be read. */
export async function loadGpus(folder: string): Promise<SavedGpus | undefined> {
  const data = await readBounded(pathIn(folder));
  if (!data) return undefined;
  const { found, driver } = validate(schema, parseJson(data));
  return { gpus: found.GPUs ?? [], driver };
}

/** Throws MusterError `not_writable`. */
export async function saveGpus(folder: string, { gpus, driver }: SavedGpus): Promise<void> {
  const kept = { found: compactResources({ GPU: gpus.length, GPUs: gpus }), driver };
  await writeFileAtomic(pathIn(folder), `${JSON.stringify(kept, null, 2)}\n`);
}
