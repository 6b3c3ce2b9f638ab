// Finds the node that a key belongs to now, when it comes under an id that the node had before an operator renamed it.
import { maxFormerIds } from '../../protocol/rename.ts';
import { keyOf, type StoredRecord } from '../roll/stored-record.ts';
import { type RenamedNode, renamedRefusal } from './access-rules.ts';
import type { DeletedNode, ExpiredNode, FormerNodes } from './former-nodes.ts';
import type { Pins } from './pins.ts';
import type { RefusedKey } from './refusals.ts';

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

/**
 * Returns what a key should be told that another requester has refused, when its node was renamed; undefined when the other one is
 * right. It is of an earlier version then, for which the node was deleted, or the key is another node's.
 */
export function disputedRefusal(
  refused: Omit<RefusedKey, 'at'>,
  find: (id: string, key: string) => RenamedNode | undefined,
): Omit<RefusedKey, 'at'> | undefined {
  const { key, applicant, refusal } = refused;
  if (refusal.code !== 'conflict' && refusal.code !== 'deleted') return undefined;
  const renamed = find(applicant.node, key);
  if (!renamed || renamed.replacedAt !== undefined) return undefined;
  return { ...refused, refusal: renamedRefusal(applicant.node, key, renamed.id), isDisputed: true };
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
