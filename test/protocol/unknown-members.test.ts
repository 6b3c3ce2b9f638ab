// Tests what is written of objects that hold members which this version does not know.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { noteUnknown, unknownOf, withUnknown } from '../../agent/protocol/unknown-members.ts';

/** What is written, found by copying everything. */
function copied(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copied);
  const members = Object.entries(value).map(([name, member]) => [name, copied(member)]);
  return Object.fromEntries([...members, ...Object.entries(unknownOf(value) ?? {})]);
}

/** Takes out of each object the members whose names begin with `x`, as a reader does that does not know them. */
function withoutUnknown(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(withoutUnknown);
  const isKnown = (name: string) => !name.startsWith('x');
  const known = Object.fromEntries(
    Object.entries(value).flatMap(([name, member]) =>
      isKnown(name) ? [[name, withoutUnknown(member)]] : [],
    ),
  );
  noteUnknown(known, value, isKnown);
  return known;
}

const name = fc.constantFrom('Info', 'Labels', 'x1', 'x2', 'a');
const { tree } = fc.letrec<{ tree: unknown }>(tie => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<unknown>(null, true, 7, 'text', undefined),
    fc.array(tie('tree'), { maxLength: 3 }),
    fc.dictionary(name, tie('tree'), { maxKeys: 4 }),
  ),
}));

test('unknown members are written behind the known ones, at every depth, and the value stays as it is', () => {
  fc.assert(
    fc.property(tree, value => {
      const known = withoutUnknown(value);
      const before = JSON.stringify(known);
      assert.equal(JSON.stringify(withUnknown(known)), JSON.stringify(copied(known)));
      assert.equal(JSON.stringify(known), before);
    }),
  );
});
