// Label selectors have the grammar of Kubernetes, and other text is an error.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProtocolError } from '../../agent/protocol/error.ts';
import { parseSelector } from '../../agent/protocol/label-selector.ts';

const labels = { env: 'prod', zone: 'eu-west-1', cores: '8', empty: '', owner: 'team-a', big: '007' };

const matching = [
  '',
  'env=prod',
  'env==prod',
  ' env = prod ',
  'env!=dev',
  'missing!=dev',
  'env in (dev,prod)',
  'env in(dev, prod )',
  'env notin (dev)',
  'missing notin (dev)',
  'env',
  '!missing',
  '! missing',
  'cores>7',
  'cores < 9',
  'cores>-1',
  'big>6',
  'empty=',
  'empty in (a,)',
  'empty',
  'env=prod,zone in (eu-west-1,eu-west-2),!spot,cores>4',
];
const failing = [
  'env=dev',
  'env!=prod',
  'env in (dev,test)',
  'env notin (prod)',
  'missing',
  'missing=x',
  'missing in (x,)',
  'missing=',
  '!env',
  'cores>8',
  'cores<8',
  'owner>1',
  'missing>0',
  'env=prod,zone=us',
  '!constructor,toString',
];

for (const selector of matching) {
  test(`"${selector}" selects`, () => assert.equal(parseSelector(selector)(labels), true));
}
for (const selector of failing) {
  test(`"${selector}" does not select`, () => assert.equal(parseSelector(selector)(labels), false));
}

const wrong: [selector: string, said: RegExp][] = [
  ['=x', /found "=", expected a label/],
  ['a,,b', /found ",", expected a label/],
  ['a b', /found "b", expected one of = == /],
  ['a in b', /found "b", expected "\("/],
  ['a in (b', /found its end, expected "\)"/],
  ['a in (b c)', /found "c", expected "\)"/],
  ['cores>x', /found "x", expected a whole number/],
  ['cores>1.5', /found "1.5", expected a whole number/],
  ['!', /found its end, expected a label/],
  ['a=b=c', /found "=", expected ","/],
  [`${'x'.repeat(5000)}==(`, /^.{200,500}$/],
];
for (const [selector, said] of wrong) {
  test(`"${selector.slice(0, 20)}" is refused`, () => {
    assert.throws(
      () => parseSelector(selector),
      (error: unknown) => {
        assert.ok(error instanceof ProtocolError);
        assert.equal(error.fault, 'malformed');
        assert.match(error.message, said);
        return true;
      },
    );
  });
}

test('any text is either read or refused by its usual error', () => {
  const piece = fc.constantFrom(
    'a',
    'b',
    '=',
    '==',
    '!=',
    '!',
    '(',
    ')',
    ',',
    ' in ',
    ' notin ',
    '<',
    '>',
    '1',
    ' ',
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(piece, { maxLength: 12 }).map(parts => parts.join('')),
  );
  fc.assert(
    fc.property(text, selector => {
      try {
        assert.equal(typeof parseSelector(selector)(labels), 'boolean');
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
      }
    }),
  );
});
