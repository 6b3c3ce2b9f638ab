// JSON is read up to its limits, and written as Go writes it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { maxDepth, maxMessageBytes, parseJson, sortKeys, writeJson } from '../../agent/protocol/json.ts';
import { jsonValues, unit } from '../support/messages.ts';
import { attempt, refuses } from '../support/refusal.ts';

const parse = (text: string) => parseJson(Buffer.from(text));

describe('size', () => {
  test('may be 64 KiB, and not one byte more', () => {
    const sized = (bytes: number) => `"${'x'.repeat(bytes - 2)}"`;
    assert.equal(maxMessageBytes, 65_536);
    assert.equal(parse(sized(65_536)), 'x'.repeat(65_534));
    const error = refuses(() => parse(sized(65_537)), 'too_large');
    assert.equal(error.message, '65537 bytes; at most 65536 are read');
  });

  test('is counted in bytes, not in characters', () => {
    refuses(() => parse(`"${'é'.repeat(32_768)}"`), 'too_large');
    assert.ok(parse(`"${'é'.repeat(32_767)}"`));
  });

  test('is checked before anything else', () => {
    refuses(() => parseJson(Buffer.alloc(65_537, 0xff)), 'too_large');
  });
});

describe('depth', () => {
  const lists = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
  const objects = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;

  test('may be 32 levels, and not one more', () => {
    assert.equal(maxDepth, 32);
    for (const nested of [lists, objects]) {
      assert.ok(parse(nested(32)));
      refuses(() => parse(nested(33)), 'too_deep', '', nested(33));
      refuses(() => parse(nested(10_000)), 'too_deep', '', 'ten thousand levels');
    }
    refuses(() => parse(`[${'1,'.repeat(100)}${objects(32)}]`), 'too_deep', '', 'mixed');
  });

  test('is not the number of brackets', () => {
    assert.ok(parse(`[${'[],'.repeat(1000)}{}]`));
    assert.equal(parse(`"${'['.repeat(1000)}"`), '['.repeat(1000));
    assert.deepEqual(parse(`["\\"${'[{'.repeat(40)}","\\\\",{}]`), [`"${'[{'.repeat(40)}`, '\\', {}]);
  });

  test('is refused before the document is found to be broken', () => {
    refuses(() => parse('['.repeat(40)), 'too_deep');
    refuses(() => parse('['.repeat(30)), 'malformed');
  });

  test('does not depend on brackets in texts', () => {
    const texts = fc.oneof(fc.constantFrom('"', '\\', '[', '{', ']', '}', '\\"'), fc.string());
    const values = fc.letrec(tie => ({
      value: fc.oneof(
        { maxDepth: 6 },
        texts,
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(
          texts.filter(name => !name.includes('\\')),
          tie('value'),
          { maxKeys: 3, noNullPrototype: true },
        ),
      ),
    })).value;
    const wrapped = fc.tuple(values, fc.integer({ min: 24, max: 34 })).map(([inner, levels]) => {
      let value: unknown = inner;
      for (let level = 0; level < levels; level++) value = level % 2 ? [value] : { '"[': value };
      return value;
    });
    const depthOf = (value: unknown): number =>
      typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
    fc.assert(
      fc.property(wrapped, value => {
        const bytes = Buffer.from(JSON.stringify(value));
        fc.pre(bytes.length <= maxMessageBytes);
        if (depthOf(value) <= maxDepth) assert.deepEqual(parseJson(bytes), value);
        else refuses(() => parseJson(bytes), 'too_deep', '', `depth ${depthOf(value)}`);
      }),
    );
  });
});

// V8 would confuse the escaped name of a later message with a name with a backslash that it has read: nodejs/node#63785.
describe('the name of a member', () => {
  test('must not hold a backslash', () => {
    const bad = [
      '{"\\\\":0}',
      '{"a\\\\":0}',
      '{"a\\u005cb" : 0}',
      '{"\\u005C":0}',
      '{"\\"\\\\":0}',
      '[{"a":{"b":1,"\\\\n":0}}]',
      '{"h":[],"\\\\"\n\t:0}',
    ];
    for (const text of bad)
      assert.equal(
        refuses(() => parse(text), 'malformed', '', text).message,
        'a member name with a backslash',
      );
  });

  test('may hold any other escape, and values may hold every escape', () => {
    assert.deepEqual(parse('{"\\"":1,"\\n":2,"\\u003c":3,"\\/":4}'), { '"': 1, '\n': 2, '<': 3, '/': 4 });
    assert.deepEqual(parse('{"a":"\\\\","b":["\\u005c",":"]}'), { a: '\\', b: ['\\', ':'] });
    assert.deepEqual(parse('{"a":"\\\\","b:":"\\\\:"}'), { a: '\\', 'b:': '\\:' });
  });

  test('is read unchanged, whatever was read before', () => {
    for (const name of ['\\\\', 'zone\\\\', '\\u005c']) attempt(() => parse(`{"before":[],"${name}":0}`));
    for (const name of ['"', '\n', '<', 'zone"', 'zone\n']) {
      const text = writeJson({ before: 1, [name]: 2 });
      assert.deepEqual(Object.keys(parse(text) as object), ['before', name]);
    }
    assert.deepEqual(parse('{"before":1,"\\u003c":2}'), { before: 1, '<': 2 });
  });
});

describe('text', () => {
  test('must be JSON', () => {
    for (const text of [
      '',
      ' ',
      '{',
      '{"a":1',
      "{'a':1}",
      '{"a":1,}',
      'nul',
      '01',
      '1 2',
      '"\n"',
      'NaN',
      '{a:1}',
    ]) {
      assert.equal(refuses(() => parse(text), 'malformed', '', text).message, 'not a JSON document');
    }
  });

  test('must be UTF-8', () => {
    for (const bytes of [
      [0x22, 0xff, 0x22],
      [0x22, 0xc3, 0x22],
      [0x22, 0xed, 0xa0, 0x80, 0x22],
      [0xfe, 0xff],
    ]) {
      assert.equal(refuses(() => parseJson(Uint8Array.from(bytes)), 'malformed').message, 'not UTF-8 text');
    }
  });

  test('is parsed or refused, whatever its bytes are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), bytes => {
        attempt(() => parseJson(bytes));
      }),
      { numRuns: 1000 },
    );
  });
});

describe('JSON is written as Go writes it', () => {
  test('HTML characters and line separators are escaped, in keys too', () => {
    assert.equal(writeJson({ '<&>': '\u2028\u2029' }), '{"\\u003c\\u0026\\u003e":"\\u2028\\u2029"}');
  });

  test('other characters are not escaped', () => {
    assert.equal(writeJson('é😀\u007f/=\'"\\'), '"é😀\u007f/=\'\\"\\\\"');
    assert.equal(writeJson('\b\f\n\r\t\u0000\u001f'), '"\\b\\f\\n\\r\\t\\u0000\\u001f"');
  });

  test('numbers', () => {
    assert.equal(
      writeJson([6.4, 13_421_772_800, 0, -1, 0.000001, 1e-7, 1e20, 1e21, Number.MAX_SAFE_INTEGER]),
      '[6.4,13421772800,0,-1,0.000001,1e-7,100000000000000000000,1e+21,9007199254740991]',
    );
  });

  test('no written text contains a special character of HTML, and every text is read back', () => {
    fc.assert(
      fc.property(fc.tuple(jsonValues(4), fc.string({ unit })), value => {
        const text = writeJson(value);
        assert.doesNotMatch(text, /[<>&\u2028\u2029]/);
        assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});

test('the keys of a map are sorted', () => {
  assert.equal(
    writeJson(sortKeys({ b: 1, a: 2, 'a-b': 3, B: 4, ab: 5, '': 6 })),
    '{"":6,"B":4,"a":2,"a-b":3,"ab":5,"b":1}',
  );
  assert.deepEqual(Object.keys(sortKeys(JSON.parse('{"b":1,"__proto__":2}'))), ['__proto__', 'b']);
});
