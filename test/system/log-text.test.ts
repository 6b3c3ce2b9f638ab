// A log line as text for people has the date, the level, the message and the fields, and wraps at the width of a terminal.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { formatLogText } from '../../agent/system/log-text.ts';

const time = '2026-11-28T03:04:05.678Z';
const json = (msg: string, fields: object = {}, level = 'info') =>
  JSON.stringify({ level, time, ...fields, msg });
const indent = ' '.repeat(26);

describe('one line', () => {
  test('has the date and the time of day of the reader, the level, the message and the fields', () => {
    const shown = formatLogText(json('started', { role: 'agent', server: 'a b' }, 'warn'), undefined);
    const at = new Date(time);
    const local = `${at.getFullYear()}-11-${String(at.getDate()).padStart(2, '0')} ${at.toTimeString().slice(0, 8)}`;
    assert.equal(shown, `${local} WARN  started  role=agent server="a b"`);
  });

  test('is not wrapped without a width, however long it is', () => {
    assert.doesNotMatch(formatLogText(json('word '.repeat(90), { list: 'x'.repeat(400) }), undefined), /\n/);
  });
});

describe('wrapped lines', () => {
  const wrap = (msg: string, fields: object, width: number) =>
    formatLogText(json(msg, fields), width)
      .split('\n')
      .map((shown, index) => (index === 0 ? shown.slice(26) : shown));

  test('stay one line when there is room', () => {
    assert.deepEqual(wrap('started', { role: 'agent' }, 80), ['started  role=agent']);
  });

  test('keep a field together where it fits on a line', () => {
    const reason = 'nothing listens (connection refused)';
    assert.deepEqual(wrap('cannot connect to the broker', { reason, n: 1 }, 80), [
      'cannot connect to the broker',
      `${indent}reason="${reason}" n=1`,
    ]);
  });

  test('divide a field at its blanks where it does not fit on a line', () => {
    const reason = 'a sentence that is much longer than the fifty-four columns that are left for it';
    assert.deepEqual(wrap('failed', { reason }, 80), [
      'failed  reason="a sentence that is much longer than',
      `${indent}the fifty-four columns that are left for it"`,
    ]);
  });

  test('never divide a word, so that a path can be copied whole', () => {
    const path = `/var/lib/${'long/'.repeat(20)}file`;
    assert.deepEqual(wrap('cannot write', { path, n: 1 }, 80), [
      'cannot write',
      `${indent}path=${path}`,
      `${indent}n=1`,
    ]);
  });

  test('are indented less on a narrow terminal', () => {
    const shown = formatLogText(json('one two three four five six', {}), 40).split('\n');
    assert.deepEqual(shown.slice(1), ['    four five six']);
  });

  test('hold the same words in the same order as one long line, within the width', () => {
    const words = fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(words, words, fc.integer({ min: 20, max: 200 }), (message, values, width) => {
        const fields = Object.fromEntries(values.map((value, index) => [`k${index}`, value]));
        const line = json(message.join(' '), fields);
        const wrapped = formatLogText(line, width);
        assert.equal(
          wrapped.replace(/\n */g, ' ').replace(/ +/g, ' '),
          formatLogText(line, undefined).replace(/ +/g, ' '),
        );
        const [first = '', ...rest] = wrapped.split('\n');
        for (const each of width >= 44 ? [first, ...rest] : []) assert.ok(each.length <= width, each);
        for (const each of rest) assert.match(each, /^ {4}/);
      }),
    );
  });
});
