// A canary is found in the output, in whatever form it is written.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Canaries } from './canaries.ts';

test('a canary is found in every form, and other output has none', () => {
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
    canaries.addOutput('the cage', 'nothing but straw');
    assert.deepEqual(canaries.leaks(), []);
    canaries.addOutput('the window', way(secret));
    assert.match(canaries.leaks()[0] ?? '', /^bird, .*, in the window: /, `way ${index}`);
  }
  const canaries = new Canaries();
  canaries.addOutput('a.tar.gz', gzipSync(`straw ${canaries.make('bird')}`));
  assert.match(canaries.leaks()[0] ?? '', /in a\.tar\.gz, unpacked/);
});
