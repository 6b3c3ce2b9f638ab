// Who is let in: every combination of what may be known of a key, an id and a join code.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodePublicKey, fingerprint } from '../../../agent/protocol/nkey.ts';
import {
  type AccessFacts,
  type CodeCheck,
  decideAccess,
} from '../../../agent/requester/enrolment/access-rules.ts';

const key = encodePublicKey(Buffer.alloc(32, 1));
const otherKey = encodePublicKey(Buffer.alloc(32, 2));
const by = { actor: 'ann', at: '2026-01-01T00:00:00Z' };

const codes: CodeCheck[] = [
  { kind: 'valid', id: 'c' },
  { kind: 'unknown' },
  ...(['spent', 'expired', 'revoked', 'network'] as const).map(kind => ({ kind, id: 'c' })),
];

const expiredKeys = [undefined, key, otherKey];

/** Yields every combination of facts. */
function* everything(): Generator<AccessFacts> {
  for (const ban of [undefined, { ...by, reason: 'stolen' }])
    for (const pinnedNode of [undefined, 'node-1', 'node-2'])
      for (const pinnedKey of [undefined, key, otherKey])
        for (const record of [undefined, {}, { key }, { key: otherKey }])
          for (const requesterId of ['node-0', 'node-1'])
            for (const deletedKey of [undefined, key, otherKey])
              for (const [code, expiredKey] of codes.flatMap(each =>
                expiredKeys.map(other => [each, other] as const),
              ))
                for (const intent of [undefined, 'register', 'check', 'work'] as const) {
                  const deleted = deletedKey === undefined ? undefined : { key: deletedKey, ...by };
                  yield {
                    id: 'node-1',
                    key,
                    intent,
                    requesterId,
                    pinnedKey,
                    pinnedNode,
                    record,
                    ban,
                    deleted,
                    expiredKey,
                    code,
                  };
                }
}

test('of all combinations, a key is pinned only where nothing is known against it and something speaks for it', () => {
  let pinned = 0;
  for (const facts of everything()) {
    const decision = decideAccess(facts);
    if (decision.kind !== 'pin') continue;
    pinned++;
    const text = JSON.stringify(facts);
    assert.equal(facts.ban, undefined, text);
    assert.equal(facts.pinnedKey, undefined, text);
    assert.equal(facts.pinnedNode, undefined, text);
    assert.ok(facts.record === undefined || facts.record.key === key, text);
    assert.notEqual(facts.requesterId, facts.id, text);
    assert.notEqual(facts.intent, 'check', text);
    assert.notEqual(facts.intent, 'work', text);
    if (facts.record) assert.equal(decision.code, undefined, text);
    else if (decision.code === undefined) {
      const isDeletedOne = facts.deleted?.key === key;
      assert.ok(isDeletedOne ? facts.intent === 'register' : facts.expiredKey === key, text);
    } else assert.equal(facts.code.kind, 'valid', text);
  }
  assert.ok(pinned > 0);
});

test('a key is known only at the node that it is pinned to, and a banned one never', () => {
  for (const facts of everything()) {
    const isKnown = decideAccess(facts).kind === 'known';
    assert.equal(isKnown, !facts.ban && facts.pinnedNode === 'node-1', JSON.stringify(facts));
  }
});

test('every refusal names the refused key and a remedy, and a conflict names the node that the key came into conflict with', () => {
  for (const facts of everything()) {
    const decision = decideAccess(facts);
    if (decision.kind !== 'refuse') continue;
    const { refusal } = decision;
    const text = JSON.stringify([facts, refusal]);
    assert.equal(refusal.fingerprint, fingerprint(key), text);
    assert.ok(refusal.reason && refusal.hint, text);
    assert.equal(refusal.operatorReason, facts.ban?.reason, text);
    if (facts.ban) assert.equal(refusal.code, 'banned', text);
    if (refusal.code !== 'conflict' || facts.requesterId === facts.id) continue;
    assert.equal(refusal.record?.id, facts.pinnedNode ?? 'node-1', text);
    if (facts.pinnedNode) assert.equal(refusal.record?.fingerprint, fingerprint(key), text);
    else if (facts.pinnedKey) assert.match(refusal.hint, /rekey node-1 --fingerprint/, text);
  }
});

test('who shows neither a known key nor a known code is a stranger, whatever it wants', () => {
  for (const facts of everything()) {
    const { ban, pinnedNode, pinnedKey, record, requesterId, deleted, code, id } = facts;
    const isNew = !ban && !pinnedNode && !pinnedKey && !record && requesterId !== id && deleted?.key !== key;
    if (!isNew || code.kind !== 'unknown' || facts.expiredKey === key) continue;
    assert.equal(decideAccess(facts).kind, 'stranger', JSON.stringify(facts));
  }
});

test('a node that gave way comes back by itself, and a code that is valid is used', () => {
  for (const facts of everything()) {
    const { ban, pinnedNode, pinnedKey, record, requesterId, deleted, code, id, intent } = facts;
    const isNew = !ban && !pinnedNode && !pinnedKey && !record && requesterId !== id && deleted?.key !== key;
    if (!isNew || facts.expiredKey !== key || intent === 'check' || intent === 'work') continue;
    const expected = code.kind === 'valid' ? code.id : undefined;
    assert.deepEqual(decideAccess(facts), { kind: 'pin', code: expected }, JSON.stringify(facts));
  }
});

test('a deleted node comes back by hand or with a code, and otherwise hears who deleted it', () => {
  const facts: AccessFacts = {
    id: 'node-1',
    key,
    intent: undefined,
    requesterId: 'node-0',
    pinnedKey: undefined,
    pinnedNode: undefined,
    record: undefined,
    ban: undefined,
    deleted: { key, ...by, reason: 'sold' },
    code: { kind: 'unknown' },
  };
  const quiet = decideAccess(facts);
  assert.ok(quiet.kind === 'refuse');
  assert.match(quiet.refusal.reason, /deleted by ann at 2026-01-01T00:00:00Z/);
  assert.equal(quiet.refusal.operatorReason, 'sold');
  assert.deepEqual(decideAccess({ ...facts, intent: 'register' }), { kind: 'pin', code: undefined });
  assert.deepEqual(decideAccess({ ...facts, code: { kind: 'valid', id: 'c' } }), { kind: 'pin', code: 'c' });
  assert.equal(decideAccess({ ...facts, key: otherKey, intent: 'register' }).kind, 'stranger');
});

test('a node whose pin was removed for an earlier deletion, while it registered again, is let in as its record says', () => {
  for (const facts of everything()) {
    const { ban, pinnedNode, pinnedKey, record, requesterId, id, intent } = facts;
    if (ban || pinnedNode || pinnedKey || requesterId === id || !record) continue;
    const isOwn = record.key === key && intent !== 'check' && intent !== 'work';
    const { kind } = decideAccess(facts);
    assert.equal(kind, isOwn ? 'pin' : 'refuse', JSON.stringify(facts));
  }
});

test('a key that comes under a former id of its node is told the new one, whatever else is known of that id', () => {
  const renamed = { id: 'node-9', key };
  for (const facts of everything()) {
    const decision = decideAccess({ ...facts, renamed });
    assert.ok(decision.kind === 'refuse', JSON.stringify(facts));
    const { code, record } = decision.refusal;
    assert.equal(code, facts.ban ? 'banned' : 'renamed');
    if (!facts.ban) assert.deepEqual(record, { id: 'node-9', fingerprint: fingerprint(key) });
  }
});

test('a former key of a node that was renamed is told which one replaced it', () => {
  const [facts] = everything();
  const replacedAt = '2026-02-01T00:00:00Z';
  const decision = decideAccess({
    ...(facts ?? assert.fail()),
    renamed: { id: 'node-9', key: otherKey, replacedAt },
  });
  assert.ok(decision.kind === 'refuse');
  const { code, record, replacedAt: at } = decision.refusal;
  assert.deepEqual(
    [code, record?.id, record?.fingerprint, at],
    ['conflict', 'node-9', fingerprint(otherKey), replacedAt],
  );
});

test('a node that comes under its new id before its pin does waits, and is no conflict', () => {
  const [facts] = everything();
  const record = { key, formerIds: ['node-2'] };
  const known = { ...(facts ?? assert.fail()), pinnedNode: 'node-2', record };
  const decision = decideAccess(known);
  assert.equal(decision.kind === 'refuse' && decision.refusal.code, 'unavailable');
  const other = decideAccess({ ...known, record: { key: otherKey, formerIds: ['node-2'] } });
  assert.equal(other.kind === 'refuse' && other.refusal.code, 'conflict');
});

test('a new node may not have an id that looks like a flag, and one that has it already may go on and come back', () => {
  const code = { kind: 'valid', id: 'c' } as const;
  const unknown = { requesterId: 'node-0', pinnedKey: undefined, pinnedNode: undefined, record: undefined };
  const facts = {
    id: '-rf',
    key,
    intent: 'register',
    ban: undefined,
    deleted: undefined,
    code,
    ...unknown,
  } as const;
  const refused = decideAccess(facts);
  assert.ok(refused.kind === 'refuse');
  assert.equal(
    refused.refusal.reason,
    'the id -rf begins with a dash, so a command line takes it for a flag',
  );
  assert.match(refused.refusal.hint, /node\.id/);
  assert.deepEqual(decideAccess({ ...facts, pinnedNode: '-rf', pinnedKey: key }), { kind: 'known' });
  assert.deepEqual(decideAccess({ ...facts, deleted: { key, ...by } }), { kind: 'pin', code: 'c' });
});
