// Finds the node that an operation has decided about before, so that its decision is not carried out about another one.
import { rememberedOperations } from '../../protocol/operation.ts';
import type { Decision } from './decisions.ts';
import type { Records } from './record-table.ts';
import { operationsOf, type StoredRecord } from './stored-record.ts';

/**
 * Returns the id of the node that an operation has decided about before, by this id or this beginning of an id. It may be gone
 * since, and the beginning may mean another node by now. Returns undefined when there is none.
 */
export function decidedBefore(
  records: Records,
  name: string,
  { operation, isExact }: Decision,
): string | undefined {
  if (operation === undefined) return undefined;
  const isDecided = (stored: StoredRecord) =>
    rememberedOperations(operationsOf(stored)).some(each => each.operation === operation);
  if (isDecided(records.stored(name))) return name;
  if (isExact) return undefined;
  for (const [id, stored] of records.entries()) if (id.startsWith(name) && isDecided(stored)) return id;
  return undefined;
}
