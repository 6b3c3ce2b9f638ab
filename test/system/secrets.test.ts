// The last guard of secrets: whatever is written, none of those that were read is in it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { escaped, inQuotes } from '../../agent/system/escaped.ts';
import { printable } from '../../agent/system/printable.ts';
import { keepSecret, redacted, withoutSecrets } from '../../agent/system/secrets.ts';

test('a secret is taken out of any text, however it is written there', () => {
  const secret = fc.string({ unit: 'grapheme', minLength: 8, maxLength: 60 }).filter(text => {
    const bare = text.trim();
    return bare === text && text.length >= 8 && !/[\r\n]/.test(text) && !text.startsWith('-----');
  });
  const around = fc.string({ maxLength: 20 });
  fc.assert(
    fc.property(secret, around, around, (text, before, after) => {
      keepSecret(text);
      const bytes = Buffer.from(text);
      const ways = [
        text,
        JSON.stringify(text),
        escaped(text),
        escaped(JSON.stringify(text).slice(1, -1)),
        inQuotes(escaped(text)),
        encodeURIComponent(text.toWellFormed()),
        bytes.toString('base64'),
        bytes.toString('base64url'),
      ];
      for (const way of ways) {
        const clean = withoutSecrets(`${before}${way}${after}`);
        assert.ok(!clean.includes(way), way);
        assert.ok(clean.includes(redacted));
      }
    }),
  );
});

test('a secret that begins another leaves nothing of the other', () => {
  for (const secrets of [
    ['a-secret-word', 'a-secret-word-and-more'],
    ['longer-secret-and-more', 'longer-secret'],
  ]) {
    for (const secret of secrets) keepSecret(secret);
    for (const secret of secrets) {
      assert.equal(withoutSecrets(`as ${secret}.`), `as ${redacted}.`);
      assert.doesNotMatch(withoutSecrets(Buffer.from(secret).toString('base64')), /[A-Za-z0-9]{12}/);
    }
  }
});

test('a secret is known by what the log makes of its characters', () => {
  const secret = 'wo"rd\u200b\u001b\\of\u{e0041}mine';
  keepSecret(secret);
  const shown = printable(secret);
  for (const way of [shown, inQuotes(shown), escaped(JSON.stringify(secret)).slice(1, -1)])
    assert.equal(withoutSecrets(way), redacted);
});

test('a text is cut after its secrets are taken out: none is cut in two', () => {
  const secret = 'never-to-be-seen-in-part';
  keepSecret(secret);
  for (let before = 490; before <= 512; before++) {
    const shown = withoutSecrets(printable(`${'x'.repeat(before)}${secret}${'y'.repeat(100)}`));
    assert.doesNotMatch(shown, /ne/);
  }
});

test('of a file of key material every line is one, its frame is none', () => {
  keepSecret(
    '-----BEGIN PRIVATE KEY-----\r\nMIGHAgEAMBMGByqGSM49\r\nAgEGCCqGSM49AwEHBG0w\r\n-----END PRIVATE KEY-----\n',
  );
  keepSecret(
    'NKEYs are sensitive and should be treated as secrets.\n************************* IMPORTANT *****\n',
  );
  assert.equal(withoutSecrets('AgEGCCqGSM49AwEHBG0w'), redacted);
  for (const plain of [
    '-----BEGIN PRIVATE KEY-----',
    'NKEYs are sensitive and should be treated as secrets.',
  ])
    assert.equal(withoutSecrets(plain), plain);
});

test('what is too short to be told from other text stays', () => {
  keepSecret('node');
  keepSecret('');
  assert.equal(withoutSecrets('node-1'), 'node-1');
});

test('a file that is rotated for ever does not fill the memory; the newest secrets count', () => {
  for (let turn = 0; turn < 2_000; turn++) keepSecret(`rotated-${String(turn).padStart(6, '0')}`);
  assert.equal(withoutSecrets('rotated-001999'), redacted);
  assert.equal(withoutSecrets('rotated-000001'), 'rotated-000001');
});
