// Makes an older store say again what the ledger says: which keys are banned, which nodes are deleted, which keys were
// replaced. It runs once at the start, after the roll was read and before anybody is let in.
import { fingerprint } from '../../protocol/nkey.ts';
import { MusterError } from '../../system/errors.ts';
import type { Log } from '../../system/log.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { LedgerEntry } from '../ledger/ledger-entries.ts';
import { type Decision, type DecisionRule, deleteNode, rekeyNode } from '../roll/decisions.ts';
import { withPinnedKey } from '../roll/node-key.ts';
import { isTaken, type StoredRecord } from '../roll/stored-record.ts';
import type { Bans } from './bans.ts';
import type { DeletedNode, FormerNodes } from './former-nodes.ts';
import type { KeyFollower } from './key-follower.ts';
import type { Pins } from './pins.ts';

/** The roll, as far as the ledger changes it. */
export interface DecidingRoll {
  stored(id: string): StoredRecord;
  decide(name: string, decision: Decision, rule: DecisionRule): Promise<string>;
}

export interface ApplyLedgerOptions {
  ledger: Ledger;
  roll: DecidingRoll;
  pins: Pins;
  bans: Bans;
  deleted: FormerNodes<DeletedNode>;
  follower: Pick<KeyFollower, 'untilFollowed'>;
  log: Log;
}

/**
 * Makes the store say what the ledger says. It is for a store that nobody else writes, and for an older one. @throws
 * BrokerError when the store does not take something; then it may be called again
 */
export async function applyLedger(options: ApplyLedgerOptions): Promise<void> {
  const { ledger, bans, log } = options;
  for (const [key, ban] of ledger.entries('ban')) {
    if (bans.of(key)) continue;
    await bans.add(key, ban);
    log.warn(
      { node: ban.id, fingerprint: fingerprint(key) },
      'the store had forgotten a ban; it holds again',
    );
  }
  for (const [key] of ledger.entries('replaced')) await putNewKeyBack(key, options);
  for (const [id, node] of ledger.entries('deleted')) await deleteAgain(id, node, options);
  await fillLedger(options);
}

/**
 * Makes the ledger say what the store says. It is for a store that is not older and that another requester may have written
 * since: its decisions are newer than the ledger.
 */
export async function followStore(
  options: Pick<ApplyLedgerOptions, 'ledger' | 'pins' | 'bans' | 'deleted'>,
): Promise<void> {
  const { ledger, pins, bans, deleted } = options;
  for (const [key] of ledger.entries('ban')) if (!bans.of(key)) await ledger.remove('ban', key);
  for (const [id] of ledger.entries('deleted')) if (!deleted.of(id)) await ledger.remove('deleted', id);
  for (const [key] of ledger.entries('replaced'))
    if (pins.nodeOf(key) !== undefined) await ledger.remove('replaced', key);
  await fillLedger(options);
}

// What the ledger lacks is from before there was one, from a moment before a crash, or from another requester.
async function fillLedger({
  ledger,
  bans,
  deleted,
}: Pick<ApplyLedgerOptions, 'ledger' | 'bans' | 'deleted'>): Promise<void> {
  for (const [key, ban] of bans.set.entries()) await ledger.put('ban', key, ban);
  for (const [id, node] of deleted.set.entries()) await ledger.put('deleted', id, node);
}

// A node that was deleted and has the very same key again has come back by an older store. One that the store does not know
// at all is left a stranger: in the store of another cluster it must not come in without a code.
async function deleteAgain(
  id: string,
  node: LedgerEntry<'deleted'>,
  { roll, pins, deleted, follower, log }: ApplyLedgerOptions,
): Promise<void> {
  if (deleted.of(id)?.key === node.key) return;
  if (pins.of(id)?.key !== node.key) return;
  const decision = { actor: node.actor, reason: node.reason ?? '', isExact: true };
  if (isTaken(roll.stored(id))) {
    await roll.decide(id, decision, deleteNode);
    await follower.untilFollowed(id);
    log.warn(
      { node: id, fingerprint: fingerprint(node.key) },
      'the store had brought a deleted node back; it is deleted again',
    );
  } else {
    await deleted.add(id, node);
    await pins.remove(id);
  }
}

// A key that was replaced and is pinned again has come back by an older store.
async function putNewKeyBack(
  old: string,
  { ledger, roll, pins, follower, log }: ApplyLedgerOptions,
): Promise<void> {
  const id = pins.nodeOf(old);
  if (id === undefined) return;
  const key = newestKey(ledger, old);
  const fields = { node: id, fingerprint: fingerprint(key), before: fingerprint(old) };
  if (isTaken(roll.stored(id)) && (pins.nodeOf(key) ?? id) === id) {
    const rule: DecisionRule = (stored, ...rest) => rekeyNode(key)(withPinnedKey(stored, old), ...rest);
    const decision = { actor: 'requester', reason: 'the store was older than this key', isExact: true };
    await roll.decide(id, decision, rule).catch(ignoreConflict);
    await follower.untilFollowed(id);
  }
  if (pins.nodeOf(old) === id) await pins.remove(id);
  log.warn(fields, 'the store had brought a replaced key back; it is not let in');
}

/** Returns the key that has replaced `old`, and that no other one has replaced since. */
function newestKey(ledger: Ledger, old: string): string {
  const seen = new Set<string>();
  let key = old;
  for (let next = ledger.get('replaced', key); next && !seen.has(key); next = ledger.get('replaced', key)) {
    seen.add(key);
    key = next.by;
  }
  return key;
}

// The record of a node may name the newest key already.
function ignoreConflict(error: unknown): void {
  if (!(error instanceof MusterError) || error.code !== 'conflict') throw error;
}
