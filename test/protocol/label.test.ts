// Tests the rule for labels: what is wrong is named with its character.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyFault, valueFault } from '../../agent/protocol/label.ts';
import { labelChange } from '../../agent/protocol/label-schema.ts';
import { validate } from '../../agent/protocol/schema.ts';

test('the fault of a key or a value names the rule and the character', () => {
  for (const [key, fault] of [
    ['rack', undefined],
    ['example.org/gpu_type-2', undefined],
    ['x'.repeat(63), undefined],
    ['x'.repeat(64), 'it has 64 characters'],
    ['', 'it is empty'],
    ['-a', 'it begins with "-"'],
    ['.a', 'it begins with "."'],
    ['gpu type', 'it has " " as character 4'],
    ['größe', 'it has "ö" as character 3'],
    ['a💥', 'it has "💥" as character 2'],
    ['a\u001b[31m', 'it has U+001B as character 2'],
  ] as const)
    assert.equal(keyFault(key), fault, key);
  for (const [value, fault] of [
    ['', undefined],
    ['größer als = 2, 💥', undefined],
    ['x'.repeat(256), 'it has 256 characters'],
    ['a\nb', 'it has U+000A as character 2'],
    ['\u2028', 'it has U+2028 as character 1'],
  ] as const)
    assert.equal(valueFault(value), fault, value);
});

test('a change of labels has keys and values by the rule, or null', () => {
  const change = { rack: 'b7', spare: null };
  assert.deepEqual(validate(labelChange(), change), change);
  for (const [labels, message] of [
    [{ 'a b': 'x' }, /"a b" is not a label: it has " " as character 2; allowed: 1 to 63 letters/],
    [{ a: 'x\n' }, /the value of a is not allowed: it has U\+000A as character 2; allowed: at most 255/],
    [{ a: 7 }, /the value of a is no text/],
    [['a'], /expected an object/],
    [JSON.parse('{"__proto__":"x"}'), /"__proto__" is not a label: it begins with "_"/],
    [Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`k${index}`, ''])), /more than 64 labels/],
  ] as const)
    assert.throws(() => validate(labelChange(), labels), message);
});
