// Which subjects a template opens, and whether two patterns meet.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { overlaps, subjectFor, subjectForAll } from '../../agent/protocol/subject-template.ts';

test('a template opens one subject for each node', () => {
  assert.equal(subjectFor('work.{nodeId}.>', 'node-1'), 'work.node-1.>');
  assert.equal(subjectFor('work', 'node-1'), 'work');
  assert.equal(subjectForAll('work.{nodeId}.>'), 'work.*.>');
});

/** Returns whether a pattern matches a subject, token by token. */
function matches(pattern: readonly string[], subject: readonly string[]): boolean {
  const [wanted, ...others] = pattern;
  const [token, ...rest] = subject;
  if (wanted === undefined || token === undefined) return wanted === token;
  if (wanted === '>') return true;
  return (wanted === '*' || wanted === token) && matches(others, rest);
}

test('two patterns overlap when a subject matches both', () => {
  const tokens = fc.array(fc.constantFrom('a', 'b', '*'), { minLength: 1, maxLength: 4 });
  const pattern = fc.tuple(tokens, fc.boolean()).map(([head, isOpen]) => (isOpen ? [...head, '>'] : head));
  const subject = fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(pattern, pattern, subject, (one, other, words) => {
      const isSeen = matches(one, words) && matches(other, words);
      assert.ok(!isSeen || overlaps(one.join('.'), other.join('.')));
    }),
    { numRuns: 5_000 },
  );
  for (const [one, other, expected] of [
    ['a.*.c', 'a.b.c', true],
    ['a.>', 'a', false],
    ['a.>', 'a.b', true],
    ['a.b', 'a.c', false],
    ['a.*', '*.b', true],
    ['a.*', 'a.b.c', false],
  ] as const) {
    assert.equal(overlaps(one, other), expected, `${one} ${other}`);
    assert.equal(overlaps(other, one), expected, `${other} ${one}`);
  }
});
