// Finds the node that a key belongs to now, when it comes under an id that the node had before an operator renamed it.
import { maxFormerIds } from '../../protocol/rename.ts';
import { keyOf, type StoredRecord } from '../roll/stored-record.ts';
import type { RenamedNode } from './access-rules.ts';
import type { DeletedNode, ExpiredNode, FormerNodes } from './former-nodes.ts';
import type { Pins } from './pins.ts';

export interface RenamedNodesOptions {
  stored(id: string): StoredRecord;
  pins: Pick<Pins, 'of' | 'nodeOf'>;
  deleted: Pick<FormerNodes<DeletedNode>, 'of'>;
  expired: Pick<FormerNodes<ExpiredNode>, 'of'>;
}

/** Returns what the node is called now whose key comes as `id`; undefined when that is no former id of its node. */
export function findRenamed(id: string, key: string, options: RenamedNodesOptions): RenamedNode | undefined {
  const { stored, pins, deleted, expired } = options;
  const owner = pins.nodeOf(key);
  if (owner !== undefined && owner !== id && isFormerId(stored(owner), id)) return { id: owner, key };
  const newest = newestId(id, stored);
  if (newest === id) return undefined;
  const pin = pins.of(newest);
  const replacedAt = pin?.replaced?.find(former => former.key === key)?.at;
  if (pin && replacedAt !== undefined) return { id: newest, key: pin.key, replacedAt };
  // The pin follows the record in a moment. A node that went since hears that under its last id.
  const keys = [pin?.key, keyOf(stored(newest)), deleted.of(newest)?.key, expired.of(newest)?.key];
  return keys.includes(key) ? { id: newest, key } : undefined;
}

const isFormerId = (stored: StoredRecord, id: string): boolean =>
  stored.kind === 'record' && stored.state.Muster?.FormerIDs?.some(({ ID }) => ID === id) === true;

/** Follows the markers from id to id. A node can be renamed back, so they may lead in a circle. */
function newestId(id: string, stored: (id: string) => StoredRecord): string {
  let newest = id;
  for (let steps = 0; steps < maxFormerIds; steps++) {
    const found = stored(newest);
    if (found.kind !== 'renamed') return newest;
    newest = found.to;
  }
  return id;
}
