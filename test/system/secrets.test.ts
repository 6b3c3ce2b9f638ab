// Output contains none of the secrets that were read, in whatever form they are written there.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { escapeQuotes, escapeText } from '../../agent/system/escape.ts';
import { printable } from '../../agent/system/printable.ts';
import { redacted, redactSecrets, rememberSecret } from '../../agent/system/secrets.ts';

test('a secret is redacted in any text, however it is written', () => {
  const secret = fc.string({ unit: 'grapheme', minLength: 8, maxLength: 60 }).filter(text => {
    const bare = text.trim();
    return bare === text && text.length >= 8 && !/[\r\n]/.test(text) && !text.startsWith('-----');
  });
  const around = fc.string({ maxLength: 20 });
  fc.assert(
    fc.property(secret, around, around, (text, before, after) => {
      rememberSecret(text);
      const bytes = Buffer.from(text);
      const ways = [
        text,
        JSON.stringify(text),
        escapeText(text),
        escapeText(JSON.stringify(text).slice(1, -1)),
        escapeQuotes(escapeText(text)),
        encodeURIComponent(text.toWellFormed()),
        bytes.toString('base64'),
        bytes.toString('base64url'),
      ];
      for (const way of ways) {
        const clean = redactSecrets(`${before}${way}${after}`);
        assert.ok(!clean.includes(way), way);
        assert.ok(clean.includes(redacted));
      }
    }),
  );
});

test('a secret that begins like another leaves nothing of the other', () => {
  for (const secrets of [
    ['a-secret-word', 'a-secret-word-and-more'],
    ['longer-secret-and-more', 'longer-secret'],
  ]) {
    for (const secret of secrets) rememberSecret(secret);
    for (const secret of secrets) {
      assert.equal(redactSecrets(`as ${secret}.`), `as ${redacted}.`);
      assert.doesNotMatch(redactSecrets(Buffer.from(secret).toString('base64')), /[A-Za-z0-9]{12}/);
    }
  }
});

test('a secret is found in the form that the log gives to its characters', () => {
  const secret = 'wo"rd\u200b\u001b\\of\u{e0041}mine';
  rememberSecret(secret);
  const shown = printable(secret);
  for (const way of [shown, escapeQuotes(shown), escapeText(JSON.stringify(secret)).slice(1, -1)])
    assert.equal(redactSecrets(way), redacted);
});

test('secrets are redacted before a text is cut, so none is cut in two', () => {
  const secret = 'never-to-be-seen-in-part';
  rememberSecret(secret);
  for (let before = 490; before <= 512; before++) {
    const shown = redactSecrets(printable(`${'x'.repeat(before)}${secret}${'y'.repeat(100)}`));
    assert.doesNotMatch(shown, /ne/);
  }
});

test('every line of a key file is a secret, but its marks are not', () => {
  rememberSecret(
    '-----BEGIN PRIVATE KEY-----\r\nMIGHAgEAMBMGByqGSM49\r\nAgEGCCqGSM49AwEHBG0w\r\n-----END PRIVATE KEY-----\n',
  );
  rememberSecret(
    'NKEYs are sensitive and should be treated as secrets.\n************************* IMPORTANT *****\n',
  );
  assert.equal(redactSecrets('AgEGCCqGSM49AwEHBG0w'), redacted);
  for (const plain of [
    '-----BEGIN PRIVATE KEY-----',
    'NKEYs are sensitive and should be treated as secrets.',
  ])
    assert.equal(redactSecrets(plain), plain);
});

test('a secret that is too short to be distinguished from other text stays', () => {
  rememberSecret('node');
  rememberSecret('');
  assert.equal(redactSecrets('node-1'), 'node-1');
});

test('a file that is rotated many times does not fill the memory, and the newest secrets count', () => {
  for (let turn = 0; turn < 2_000; turn++) rememberSecret(`rotated-${String(turn).padStart(6, '0')}`);
  assert.equal(redactSecrets('rotated-001999'), redacted);
  assert.equal(redactSecrets('rotated-000001'), 'rotated-000001');
});
