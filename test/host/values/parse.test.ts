// Tests that what drivers and tools write is parsed strictly and never throws.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decimalNumber,
  jsonObject,
  lineValue,
  mebibytes,
  member,
  pciAddress,
  plausible,
  wholeNumber,
} from '../../../agent/host/values/parse.ts';

test('PCI addresses are parsed in every form that tools use', () => {
  assert.equal(pciAddress('0000:01:00.0'), '0000:01:00.0');
  assert.equal(pciAddress('00000000:4E:00.0'), '0000:4e:00.0');
  assert.equal(pciAddress('01:00.1'), '0000:01:00.1');
  assert.equal(pciAddress('0000:E7:00.0'), '0000:e7:00.0');
  assert.equal(pciAddress('10000:e1:00.0'), '10000:e1:00.0');
  assert.equal(pciAddress('0000:09:00.0 --> SN: 01-000206-07SCC2 --> OAM ID: 1'), '0000:09:00.0');
});

test('a text that is no PCI address gives nothing', () => {
  for (const text of ['', 'bind', '01:00', '0000:01:00.8', '0000:01:00.00', 'x0000:01:00.0', '0:0:0:0.0']) {
    assert.equal(pciAddress(text), undefined, text);
  }
  assert.equal(pciAddress(undefined), undefined);
});

test('a path after an address is dropped', () => {
  assert.equal(pciAddress('0000:01:00.0/../../etc'), '0000:01:00.0');
});

test('numbers must stand alone, must not be negative and must be exact', () => {
  assert.equal(wholeNumber(' 15360\n'), 15_360);
  for (const text of ['', '-1', '1.5', '0x10', '[N/A]', '12 MiB', '9'.repeat(17), '1e3']) {
    assert.equal(wholeNumber(text), undefined, text);
  }
  assert.equal(wholeNumber(undefined), undefined);
  assert.equal(decimalNumber('51.20'), 51.2);
  assert.equal(decimalNumber('[Not Supported]'), undefined);
});

test('bytes become whole MiB, rounded down', () => {
  assert.equal(mebibytes(68_702_699_520), 65_520);
  assert.equal(mebibytes(1_048_575), 0);
  for (const bytes of [undefined, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60]) {
    assert.equal(mebibytes(bytes), undefined);
  }
});

test('a value outside the possible range gives nothing', () => {
  assert.equal(plausible(36.04, -50, 250), 36);
  for (const value of [undefined, Number.NaN, -51, 251]) assert.equal(plausible(value, -50, 250), undefined);
});

test('lines with a key and JSON after other words are parsed', () => {
  assert.equal(lineValue('Model: \t\t Tesla: T4\nIRQ:   \t 5', 'model'), 'Tesla: T4');
  assert.equal(lineValue(undefined, 'Model'), undefined);
  assert.deepEqual(jsonObject('WARNING: AMD GPU device(s) is/are in a low-power state.\n{"card0": {}}\n'), {
    card0: {},
  });
  for (const text of ['', '[]', 'null', '{"half": ', 'no braces']) assert.equal(jsonObject(text), undefined);
  assert.equal(member({ 'Card Series': 'MI210', n: 4 }, 'absent', 'card series'), 'MI210');
  assert.equal(member({ n: 4 }, 'n'), '4');
  assert.equal(member({ n: { deep: true } }, 'n'), undefined);
});

test('any text is parsed without an error, and a parsed address is parsed to itself', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      const address = pciAddress(text);
      if (address !== undefined) assert.equal(pciAddress(address), address);
      for (const number of [wholeNumber(text), decimalNumber(text)])
        assert.ok(number === undefined || number >= 0);
      lineValue(text, 'Model');
      jsonObject(text);
    }),
  );
});
