// The last guard of secrets: whatever is written, none of those that were read is in it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
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
