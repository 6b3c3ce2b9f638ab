// Durations, sizes and percentages are read, refused, and written without loss.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  formatDuration,
  formatPercent,
  formatSize,
  parseDuration,
  parsePercent,
  parseSize,
} from '../../agent/config/units.ts';

const minute = 60_000;
const hour = 60 * minute;

test('durations are read as milliseconds', () => {
  const cases: [string, number][] = [
    ['15s', 15_000],
    ['1m30s', 90_000],
    ['500ms', 500],
    ['1h2m', hour + 2 * minute],
    ['1h2m3s4ms', hour + 2 * minute + 3004],
    ['1.5s', 1500],
    ['0.5h', 30 * minute],
    ['90m', 90 * minute],
    ['0s', 0],
    ['30d', 30 * 24 * hour],
    ['1d12h', 36 * hour],
  ];
  for (const [text, value] of cases) assert.equal(parseDuration(text), value, text);
});

test('other text is not a duration', () => {
  for (const text of [
    '',
    '15',
    '15 s',
    '15 sec',
    '-5s',
    's',
    '1s1m',
    '1.s',
    '.5s',
    '5S',
    '1w',
    '1h1d',
    '١s',
    '1e3s',
    '15s\n',
  ]) {
    assert.equal(parseDuration(text), undefined, JSON.stringify(text));
  }
});

test('sizes are read as bytes, by powers of 1000 or 1024', () => {
  const cases: [string, number][] = [
    ['8GB', 8e9],
    ['8GiB', 8 * 1024 ** 3],
    ['8gib', 8 * 1024 ** 3],
    ['8Gi', 8 * 1024 ** 3],
    ['1.5 gi', 1.5 * 1024 ** 3],
    ['512 kB', 512_000],
    ['1.5GiB', 1.5 * 1024 ** 3],
    ['100B', 100],
    ['2TB', 2e12],
    ['1PiB', 1024 ** 5],
    ['1MB', 1e6],
  ];
  for (const [text, value] of cases) assert.equal(parseSize(text), value, text);
});

test('other text is not a size, nor is a number without a unit or one that is too large', () => {
  for (const text of ['', '8', '8G', '8GBs', '-1GB', 'GB', '1e9B', '8  GB', '8iB', '8i', '9999999999PB']) {
    assert.equal(parseSize(text), undefined, JSON.stringify(text));
  }
});

test('percentages are from 0 to 100', () => {
  for (const [text, value] of [
    ['80%', 80],
    ['12.5%', 12.5],
    ['0%', 0],
    ['100%', 100],
    ['80 %', 80],
  ] as const) {
    assert.equal(parsePercent(text), value, text);
  }
  for (const text of ['101%', '100.001%', '-1%', '80', '%', '8e1%', ''])
    assert.equal(parsePercent(text), undefined, text);
});

test('values are written short and exactly', () => {
  assert.deepEqual(
    [0, 500, 1500, 15_000, 90_000, hour + 2 * minute, 36 * hour, 49 * hour].map(formatDuration),
    ['0s', '500ms', '1s500ms', '15s', '1m30s', '1h2m', '36h', '2d1h'],
  );
  assert.deepEqual([0, 100, 8e9, 8 * 1024 ** 3, 1024 ** 3 + 1].map(formatSize), [
    '0B',
    '100B',
    '8GB',
    '8GiB',
    '1073741825B',
  ]);
  assert.equal(formatPercent(12.5), '12.5%');
});

test('every whole number of milliseconds, bytes and thousandths of a percent is read back unchanged', () => {
  fc.assert(fc.property(fc.maxSafeNat(), value => parseDuration(formatDuration(value)) === value));
  fc.assert(fc.property(fc.maxSafeNat(), value => parseSize(formatSize(value)) === value));
  const round = fc
    .tuple(fc.nat(2 ** 22), fc.nat(9))
    .map(([count, power]) => count * (power < 5 ? 1000 ** power : 1024 ** (power - 5)));
  fc.assert(fc.property(round.filter(Number.isSafeInteger), value => parseSize(formatSize(value)) === value));
  fc.assert(
    fc.property(fc.nat(100_000), value => parsePercent(formatPercent(value / 1000)) === value / 1000),
  );
});

test('any text is read or refused, without a crash or a broken number', () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9.hms%GKMTPib ]{0,12}$/));
  for (const parse of [parseDuration, parseSize, parsePercent]) {
    fc.assert(fc.property(text, given => parse(given) === undefined || Number(parse(given)) >= 0));
  }
});
