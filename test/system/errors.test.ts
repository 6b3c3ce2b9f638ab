// Errors have an exit code, a hint and a reason of one line.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errnoOf, exitCodes, MusterError, reasonOf } from '../../agent/system/errors.ts';

test('every code has one of the documented exit codes', () => {
  for (const [code, exit] of Object.entries(exitCodes)) {
    assert.ok([1, 64, 69, 77, 78].includes(exit), `${code}: ${exit}`);
  }
  const error = new MusterError('bad_config', 'a sentence', { hint: 'do this', cause: new Error('why') });
  assert.deepEqual([error.exitCode, error.hint, reasonOf(error.cause)], [78, 'do this', 'why']);
  assert.ok(!('cause' in new MusterError('failed', 'a sentence')));
});

test('a reason is one line with all causes, and names none of them twice', () => {
  const cases: [unknown, string][] = [
    ['text', 'text'],
    [undefined, 'undefined'],
    [new Error('first\nsecond'), 'first'],
    [
      new Error('outer', { cause: new Error('middle', { cause: new Error('inner') }) }),
      'outer: middle: inner',
    ],
    [new Error('outer: inner', { cause: new Error('inner') }), 'outer: inner'],
    [new Error('outer', { cause: 'a text' }), 'outer: a text'],
  ];
  for (const [error, reason] of cases) assert.equal(reasonOf(error), reason);
});

test("errnoOf returns the system's code of an error that has one", () => {
  assert.equal(errnoOf(Object.assign(new Error(), { code: 'ENOENT' })), 'ENOENT');
  for (const other of [undefined, null, 'ENOENT', new Error(), { code: 2 }])
    assert.equal(errnoOf(other), undefined);
});
