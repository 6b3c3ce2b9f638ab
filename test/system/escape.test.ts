// Tests which characters are escaped for a terminal: each control and format character wherever it stands, and no other.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { escapeText } from '../../agent/system/escape.ts';

const controls = /^[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]$/u;

test('a character that controls a terminal is written as its code wherever it stands, and no other one is', () => {
  for (let unit = 0; unit <= 0xffff; unit++) {
    const character = String.fromCharCode(unit);
    const shown = controls.test(character) ? `\\u${unit.toString(16).padStart(4, '0')}` : character;
    for (const [before, after] of [
      ['', ''],
      ['a ', ''],
      ['', '~b'],
      ['node-', '-1\u00e9'],
    ])
      assert.equal(escapeText(`${before}${character}${after}`), `${before}${shown}${after}`);
  }
});
