// A move notes on the disk which streams it removes, and which of them are whole again, so that another process can finish it.
import * as v from 'valibot';
import { ProtocolError } from '../../protocol/error.ts';
import { parseJson } from '../../protocol/json.ts';
import { validate } from '../../protocol/schema.ts';
import { backedUpStreams } from '../backup/backup-contents.ts';

const schema = v.object({ what: v.picklist(['removing', 'made']), name: v.picklist(backedUpStreams) });

/** What happened to a stream. */
export type MoveFact = v.InferOutput<typeof schema>;

/** Reads a line; undefined for one that is torn. */
export function readFact(line: string): MoveFact | undefined {
  try {
    return validate(schema, parseJson(Buffer.from(line)));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
}

/** Returns the streams that were about to be removed, and were not whole again after that. */
export function removedBy(facts: readonly MoveFact[]): Set<MoveFact['name']> {
  const removed = new Set<MoveFact['name']>();
  for (const { what, name } of facts)
    if (what === 'removing') removed.add(name);
    else removed.delete(name);
  return removed;
}
