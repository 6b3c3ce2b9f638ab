// The address of the page names a place, whatever somebody types there, and each place has an address that leads back to it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fragmentOf, readPlace } from '../../../agent/web/shell/address.ts';

test('an address without a place leads to the nodes', () => {
  for (const fragment of ['', '#', '#/', '/'])
    assert.deepEqual(readPlace(fragment), { view: 'nodes', name: '', query: new URLSearchParams() });
});

test('an address has a view, a name and a query', () => {
  const { view, name, query } = readPlace('#/node/n-7?search=a%20b&filter-approval=PENDING');
  assert.deepEqual([view, name], ['node', 'n-7']);
  assert.deepEqual(Object.fromEntries(query), { search: 'a b', 'filter-approval': 'PENDING' });
});

test('a query leaves out what is empty', () => {
  assert.equal(fragmentOf('nodes', '', { search: '', sort: 'id' }), '#/nodes?sort=id');
});

test('the address of each place leads back to it', () => {
  const text = fc.string({
    unit: fc.constantFrom('a', '/', '?', '%', '&', '=', '#', ' ', '+', '2', 'é', '😀'),
  });
  fc.assert(
    fc.property(text, fc.dictionary(text, text.filter(Boolean), { maxKeys: 4 }), (name, query) => {
      const place = readPlace(fragmentOf('node', name, query));
      assert.equal(place.name, name);
      assert.deepEqual([...place.query], [...new URLSearchParams(query)]);
    }),
  );
});

test('whatever somebody types is some place', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), fragment => readPlace(fragment).view !== ''));
});
