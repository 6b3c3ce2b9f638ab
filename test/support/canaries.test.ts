// The canaries themselves: one that got out is found, however it is written.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Canaries } from './canaries.ts';

test('a canary is found in every form, and one that stayed is not', () => {
  const ways: ((secret: string) => string | Buffer)[] = [
    secret => secret,
    secret => JSON.stringify({ inside: secret }),
    secret => `http://host/?token=${encodeURIComponent(secret)}`,
    secret => Buffer.from(`user:${secret}`).toString('base64'),
    secret => Buffer.from(`us:${secret}:more`).toString('base64'),
    secret => Buffer.from(`u:${secret}`).toString('base64url'),
    secret => Buffer.from(secret).toString('hex'),
    secret => `${secret.slice(0, 30)}…`,
    secret => secret.slice(-25),
  ];
  for (const [index, way] of ways.entries()) {
    const canaries = new Canaries();
    const secret = canaries.make('bird');
    canaries.hear('the cage', 'nothing but straw');
    assert.deepEqual(canaries.found(), []);
    canaries.hear('the window', way(secret));
    assert.match(canaries.found()[0] ?? '', /^bird, .*, in the window: /, `way ${index}`);
  }
  const canaries = new Canaries();
  canaries.hear('a.tar.gz', gzipSync(`straw ${canaries.make('bird')}`));
  assert.match(canaries.found()[0] ?? '', /in a\.tar\.gz, unpacked/);
});
