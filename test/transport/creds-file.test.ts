// A file of credentials is read as the client of NATS reads it, and signs what it signs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { credsAuthenticator, nkeys } from 'nats';
import { encodeSeed } from '../../agent/protocol/nkey.ts';
import { parseCreds } from '../../agent/transport/creds-file.ts';
import { signWith } from '../../agent/transport/key-pair.ts';

const jwt = 'eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.e30.AAAA';
const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(bytes => encodeSeed(bytes, 'user'));
const advice = fc.constantFrom('', '\n', '\n*** IMPORTANT ***\nKeys are secrets.\n', '\n*** IMPORTANT ***\n');
const breaks = fc.constantFrom('\n', '\n\n', '\n  ');

test('reads and signs as the client of NATS does', () => {
  fc.assert(
    fc.property(seeds, advice, breaks, fc.string({ minLength: 1 }), (seed, between, ending, nonce) => {
      const text = `-----BEGIN NATS USER JWT-----\n${jwt}${ending}------END NATS USER JWT------\n${between}\n-----BEGIN USER NKEY SEED-----\n${seed}${ending}------END USER NKEY SEED------\n\n*****\n`;
      const theirs = credsAuthenticator(new TextEncoder().encode(text))(nonce) as unknown as Record<
        string,
        string
      >;
      const ours = parseCreds(text);
      assert.equal(ours.jwt, theirs.jwt);
      assert.equal(ours.key.userKey, theirs.nkey);
      assert.equal(signWith(ours.key, Buffer.from(nonce)).toString('base64'), theirs.sig);
    }),
    { numRuns: 20 },
  );
});

test('refuses a file without a token, or with the seed of something else', () => {
  const account = new TextDecoder().decode(nkeys.createAccount().getSeed());
  const texts = [
    '',
    jwt,
    `---\n${jwt}\n---\n`,
    `---\n${jwt}\n---\n---\n${account}\n---\n`,
    '-'.repeat(16_384),
    '---\n'.repeat(4096),
  ];
  for (const text of texts)
    assert.throws(() => parseCreds(text), { name: 'ProtocolError' }, text.slice(0, 40));
});
