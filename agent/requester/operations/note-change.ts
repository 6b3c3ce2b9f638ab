// Notes in the cluster bucket which operation changed what has no record of its own there: the CAs, and an older store that was
// confirmed. So an operator can ask what became of it.
import * as v from 'valibot';
import { parseJson } from '../../protocol/json.ts';
import { rememberedSchema } from '../../protocol/operation-schema.ts';
import { type Bucket, type BucketEntry, isRevisionConflict } from '../../transport/port.ts';
import { encode } from '../cluster/cluster-bucket.ts';
import { type ChangeKind, withOperation } from '../cluster/record-operations.ts';
import type { Act } from '../events/requester-events.ts';

/** The beginning of the keys with the notes about CAs; the pin of the CA follows. */
export const authorityNotes = 'ca.';

const noteSchema = v.object({ operations: v.optional(rememberedSchema) });

/** Writes the note in `key`, beside the operations that it has already. @throws BrokerError */
export async function noteChange(
  bucket: Pick<Bucket, 'get' | 'put'>,
  key: string,
  kind: ChangeKind,
  act: Act,
): Promise<void> {
  for (;;) {
    const entry = await bucket.get(key);
    const note = { actor: act.actor, ...withOperation(operationsIn(entry), kind, act.operation) };
    try {
      await bucket.put(key, encode(note), entry?.revision ?? 0);
      return;
    } catch (error) {
      if (!isRevisionConflict(error)) throw error;
    }
  }
}

/** Returns the operations in a note. Another program may have written anything there, and earlier versions wrote none. */
function operationsIn(entry: BucketEntry | undefined): readonly string[] {
  if (!entry || entry.marker) return [];
  try {
    const read = v.safeParse(noteSchema, parseJson(entry.value));
    return (read.success ? read.output.operations : undefined) ?? [];
  } catch {
    return [];
  }
}
