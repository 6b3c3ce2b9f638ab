// The rows of the page follow the events of the live roll, also over a restart of the requester.
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { RollHead } from '../../../agent/protocol/roll-rows.ts';
import { RollStore } from '../../../agent/web/feed/roll-store.ts';
import { rollRow } from '../../support/roll-rows.ts';

const head: RollHead = {
  at: 1000,
  state: 'ready',
  reason: '',
  requester: 'head-1',
  clusterId: 'c1',
  version: '0.1.0',
  operator: null,
  mayDecide: false,
  expiresAt: null,
  nodes: 2,
};

describe('the rows of the page', () => {
  let changes: number;
  let store: RollStore;
  const ids = () => [...store.rows.keys()];

  beforeEach(() => {
    changes = 0;
    store = new RollStore(() => changes++);
    store.take('roll', head);
    store.take('nodes', [rollRow('a'), rollRow('b')]);
    store.take('ready', { nodes: 2 });
  });

  it('are those that came', () => {
    assert.deepEqual(ids(), ['a', 'b']);
    assert.equal(store.isReady, true);
    assert.equal(store.head?.requester, 'head-1');
    assert.equal(changes, 3);
  });

  it('change whole, and in figures and times', () => {
    store.take('nodes', [rollRow('a', { status: 'UNKNOWN' })]);
    store.take('figures', [{ id: 'b', running: 3 }]);
    store.take('heard', { at: 2000, nodes: { b: 1990, z: 5 } });
    assert.equal(store.rows.get('a')?.status, 'UNKNOWN');
    assert.equal(store.rows.get('b')?.running, 3);
    assert.equal(store.rows.get('b')?.heardAt, 1990);
    assert.equal(store.head?.at, 2000);
    assert.deepEqual(ids(), ['a', 'b']);
  });

  it('are other objects when they have changed, and the same when not', () => {
    const [a, b] = [store.rows.get('a'), store.rows.get('b')];
    store.take('heard', { at: 2000, nodes: { b: 1990 } });
    assert.equal(store.rows.get('a'), a);
    assert.notEqual(store.rows.get('b'), b);
  });

  it('go when they are gone, and the version of the ids says so', () => {
    const before = store.idsVersion;
    store.take('gone', ['b', 'nobody']);
    assert.deepEqual(ids(), ['a']);
    assert.notEqual(store.idsVersion, before);
    const after = store.idsVersion;
    store.take('nodes', [rollRow('a')]);
    assert.equal(store.idsVersion, after);
  });

  it('stay while another roll comes, and then only those of it', () => {
    store.take('roll', head);
    assert.deepEqual(ids(), ['a', 'b']);
    store.take('nodes', [rollRow('b'), rollRow('c')]);
    assert.deepEqual(ids(), ['a', 'b', 'c']);
    store.take('ready', { nodes: 2 });
    assert.deepEqual(ids(), ['b', 'c']);
  });

  it('stay when the next roll is cut off before its end', () => {
    store.take('roll', head);
    store.take('nodes', [rollRow('b')]);
    store.take('roll', head);
    store.take('nodes', [rollRow('a')]);
    store.take('ready', { nodes: 1 });
    assert.deepEqual(ids(), ['a']);
  });

  it('know of no event of another name', () => {
    changes = 0;
    for (const name of ['weather', 'constructor', '__proto__', '']) store.take(name, {});
    assert.equal(changes, 0);
  });

  it('may have any id', () => {
    const strange = '__proto__';
    store.take('nodes', [rollRow(strange)]);
    assert.ok(ids().includes(strange));
  });
});
