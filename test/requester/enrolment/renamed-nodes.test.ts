// Which node a key belongs to that comes under an id that the node had before.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodePublicKey } from '../../../agent/protocol/nkey.ts';
import { refusalOf } from '../../../agent/requester/enrolment/access-rules.ts';
import { disputedRefusal, findRenamed } from '../../../agent/requester/enrolment/renamed-nodes.ts';
import { absentRecord, type StoredRecord } from '../../../agent/requester/roll/stored-record.ts';
import { record } from '../samples.ts';

const at = '2026-02-01T00:00:00Z';
const renamedTo = (to: string): StoredRecord => ({ kind: 'renamed', revision: 2, to, at });
const node = (id: string, PublicKey: string, ...formerIds: string[]): StoredRecord => {
  const FormerIDs = formerIds.map(ID => ({ ID, At: at, Actor: 'ann', Reason: '' }));
  return {
    kind: 'record',
    revision: 3,
    state: { ...record(id, 'APPROVED'), Muster: { PublicKey, FormerIDs } },
  };
};

interface Known {
  records: Record<string, StoredRecord>;
  /** The key that is pinned to each node, and the one that it replaced. */
  pins?: Record<string, { key: string; replaced?: string }>;
  deleted?: Record<string, string>;
}

function find(id: string, key: string, { records, pins = {}, deleted = {} }: Known) {
  return findRenamed(id, key, {
    stored: each => records[each] ?? absentRecord,
    pins: {
      of: each => {
        const { key: pinned, replaced } = pins[each] ?? {};
        return pinned === undefined
          ? undefined
          : { key: pinned, at, ...(replaced ? { replaced: [{ key: replaced, at }] } : {}) };
      },
      nodeOf: each => Object.keys(pins).find(other => pins[other]?.key === each),
    },
    deleted: { of: each => (deleted[each] ? { key: deleted[each], actor: 'ann', at } : undefined) },
    expired: { of: () => undefined },
  });
}

const twice = {
  old: renamedTo('mid'),
  mid: renamedTo('new'),
  new: node('new', 'K', 'mid', 'old'),
};

test('a key is told the last id of its node, also after several renames, and before its pin has followed', () => {
  const states: NonNullable<Known['pins']>[] = [{ new: { key: 'K' } }, { old: { key: 'K' } }, {}];
  for (const pins of states)
    for (const id of ['old', 'mid']) assert.deepEqual(find(id, 'K', { records: twice, pins })?.id, 'new');
  assert.equal(find('new', 'K', { records: twice, pins: { new: { key: 'K' } } }), undefined);
});

test('it is told so although another machine has the former id by now, and the other machine is not', () => {
  const known = {
    records: { ...twice, old: node('old', 'L') },
    pins: { new: { key: 'K' }, old: { key: 'L' } },
  };
  assert.equal(find('old', 'K', known)?.id, 'new');
  assert.equal(find('old', 'L', known), undefined);
});

test('other keys are told nothing', () => {
  const pins = { new: { key: 'K' }, other: { key: 'M' } };
  for (const key of ['M', 'stranger']) assert.equal(find('old', key, { records: twice, pins }), undefined);
  const unasked = { records: { new: node('new', 'K') }, pins: { new: { key: 'K' } } };
  assert.equal(find('old', 'K', unasked), undefined, 'the node never had this id');
});

test('a node that was renamed back, deleted since, or got another key finds its way', () => {
  const back = {
    records: { old: node('old', 'K', 'new'), new: renamedTo('old') },
    pins: { old: { key: 'K' } },
  };
  assert.equal(find('old', 'K', back), undefined);
  assert.equal(find('new', 'K', back)?.id, 'old');
  const gone = { records: { ...twice, new: absentRecord }, deleted: { new: 'K' } };
  assert.equal(find('old', 'K', gone)?.id, 'new');
  const rekeyed = { records: twice, pins: { new: { key: 'K', replaced: 'J' } } };
  assert.deepEqual(find('old', 'J', rekeyed), { id: 'new', key: 'K', replacedAt: at });
  const circle = { records: { old: renamedTo('new'), new: renamedTo('old') } };
  assert.equal(find('old', 'K', circle), undefined);
});

test('what a requester of an earlier version says of a renamed node is disputed, and nothing else', () => {
  const key = encodePublicKey(Buffer.alloc(32, 1));
  const applicant = {
    node: 'old',
    host: 'h',
    use: 'agent',
    instance: 'i',
    server: 's',
    connection: 1,
  } as const;
  const told = (
    code: 'conflict' | 'deleted' | 'banned' | 'clone',
    renamed?: { id: string; replacedAt?: string },
  ) =>
    disputedRefusal({ key, applicant, refusal: refusalOf(key, code, 'r', 'h') }, () =>
      renamed ? { key, ...renamed } : undefined,
    );
  for (const code of ['conflict', 'deleted'] as const) {
    const { refusal, isDisputed } = told(code, { id: 'new' }) ?? assert.fail(code);
    assert.deepEqual([refusal.code, refusal.record?.id, isDisputed], ['renamed', 'new', true]);
    assert.equal(told(code), undefined);
    assert.equal(told(code, { id: 'new', replacedAt: at }), undefined);
  }
  for (const code of ['banned', 'clone'] as const) assert.equal(told(code, { id: 'new' }), undefined);
});
