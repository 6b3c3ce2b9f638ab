// The name of a connection says which node and process it is. What no agent wrote names nobody.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readConnectionName, writeConnectionName } from '../../agent/protocol/connection-name.ts';

const node = fc.stringMatching(/^[A-Za-z0-9_-]{1,128}$/);
const instance = fc.stringMatching(/^[A-Za-z0-9-]{1,64}$/);
const intent = fc.constantFrom('register', 'check', undefined) as fc.Arbitrary<
  'register' | 'check' | undefined
>;

test('what is written is read as it was', () => {
  fc.assert(
    fc.property(node, instance, intent, (...[id, process, wish]) => {
      const name = { node: id, instance: process, ...(wish ? { intent: wish } : {}) };
      assert.deepEqual(readConnectionName(writeConnectionName(name)), name);
    }),
  );
});

test('any other text is read as a node and a process that are well formed, or as nobody', () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom(
      'instance=',
      'instance=x',
      'intent=register',
      'intent=deny',
      'a=b=c',
      '__proto__=x',
      '*',
      '>',
      '',
    ),
  );
  const text = fc.oneof(
    fc.array(word, { maxLength: 6 }).map(words => words.join(' ')),
    fc.tuple(node, fc.array(word, { maxLength: 4 })).map(([id, words]) => [id, ...words].join(' ')),
  );
  fc.assert(
    fc.property(text, name => {
      const found = readConnectionName(name);
      if (!found) return;
      assert.match(found.node, /^[A-Za-z0-9_-]{1,128}$/);
      assert.match(found.instance, /^[A-Za-z0-9-]{1,64}$/);
      assert.ok(found.intent === undefined || ['register', 'check'].includes(found.intent));
      assert.ok(name.startsWith(`${found.node} `));
    }),
    { numRuns: 2_000 },
  );
});

test('a wildcard, a dot, blanks, a line break, ten thousand characters or no instance name nobody', () => {
  const rest = 'instance=x';
  for (const name of [
    '',
    ' ',
    rest,
    `* ${rest}`,
    `> ${rest}`,
    `a.b ${rest}`,
    ` a ${rest}`,
    `a\t${rest}`,
    `a\n ${rest}`,
  ])
    assert.equal(readConnectionName(name), undefined, JSON.stringify(name));
  for (const name of ['a', 'a instance', 'a instance=', 'a instance=x.y', `a ${rest} ${'z'.repeat(10_000)}`])
    assert.equal(readConnectionName(name), undefined, JSON.stringify(name));
  assert.deepEqual(readConnectionName('a instance=x intent=reboot boot=y'), { node: 'a', instance: 'x' });
});
