// Keys have the same text as with the tools of NATS, and each key has only one text.
import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decodeSeed, encodePublicKey, encodeSeed, fingerprint } from '../../agent/protocol/nkey.ts';
import { unit } from '../support/messages.ts';
import { attempt, refuses } from '../support/refusal.ts';

// NATS' own implementation, in the copy that its client uses.
interface NatsKeys {
  createServer(): { getSeed(): Uint8Array; getPublicKey(): string };
  createOperator(): { getSeed(): Uint8Array };
  createAccount(): { getSeed(): Uint8Array };
  fromSeed(seed: Uint8Array): { getPublicKey(): string };
}
const nats: NatsKeys = createRequire(createRequire(import.meta.url).resolve('nats'))('nkeys.js');

const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 });

/** Returns the public half of an ed25519 seed, calculated by OpenSSL. */
function publicKeyOf(seed: Uint8Array): Buffer {
  const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  const key = createPublicKey(createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }));
  return key.export({ format: 'der', type: 'spki' }).subarray(-32);
}

// The first test of RFC 8032, section 7.1. Its texts were made with `nkeys.js`.
const rfc = {
  seed: Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex'),
  key: Buffer.from('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', 'hex'),
  seedText: 'SNAJ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YFXBM',
  keyText: 'NDLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRUM4A',
};

describe('known keys', () => {
  test('the first key of RFC 8032', () => {
    assert.deepEqual(publicKeyOf(rfc.seed), rfc.key);
    assert.equal(encodeSeed(rfc.seed), rfc.seedText);
    assert.equal(encodePublicKey(rfc.key), rfc.keyText);
    assert.deepEqual(decodeSeed(rfc.seedText), rfc.seed);
  });

  test("the user's seed in the documentation of NATS is valid, but of another kind", () => {
    const user = 'SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY';
    const error = refuses(() => decodeSeed(user), 'malformed');
    assert.equal(error.message, "not the seed of a node's key");
    const wrong = refuses(() => decodeSeed(user.replace('SSL3', 'SSL4')), 'malformed');
    assert.equal(wrong.message, 'not an nkey: its length or checksum is wrong');
  });
});

describe('keys have the text form of NATS', () => {
  test('a pair that NATS made is written the same by muster', () => {
    const pair = nats.createServer();
    const text = Buffer.from(pair.getSeed()).toString();
    const seed = decodeSeed(text);
    assert.equal(encodeSeed(seed), text);
    assert.equal(encodePublicKey(publicKeyOf(seed)), pair.getPublicKey());
  });

  test('any pair of muster is a pair for NATS', () => {
    fc.assert(
      fc.property(seeds, seed => {
        const text = encodeSeed(seed);
        assert.match(text, /^SN[A-Z2-7]{56}$/);
        assert.deepEqual(decodeSeed(text), Buffer.from(seed));
        const key = encodePublicKey(publicKeyOf(seed));
        assert.match(key, /^N[A-Z2-7]{55}$/);
        assert.equal(nats.fromSeed(Buffer.from(text)).getPublicKey(), key);
      }),
      { numRuns: 20 },
    );
  });
});

describe('a text that is not a seed is refused', () => {
  const seed = rfc.seedText;

  test('with one wrong letter at any place', () => {
    for (let at = 0; at < seed.length; at++) {
      for (const letter of 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567') {
        if (letter === seed[at]) continue;
        refuses(() => decodeSeed(seed.slice(0, at) + letter + seed.slice(at + 1)), 'malformed', '', `${at}`);
      }
    }
  });

  test('too short, too long, with two letters exchanged, or with other letters', () => {
    for (let length = 0; length < seed.length; length++)
      refuses(() => decodeSeed(seed.slice(0, length)), 'malformed', '', `${length} letters`);
    const others = [
      `${seed}A`,
      `${seed}AA`,
      seed + seed,
      'A'.repeat(100_000),
      `${seed}\n`,
      ` ${seed}`,
      seed.toLowerCase(),
      `${seed.slice(0, -1)}=`,
      seed.slice(0, 10) + seed[11] + seed[10] + seed.slice(12),
      rfc.keyText,
      'Ω'.repeat(58),
      '😀'.repeat(58),
    ];
    for (const text of others) refuses(() => decodeSeed(text), 'malformed', '', text.slice(0, 70));
  });

  test('of the other kinds that NATS has', () => {
    for (const pair of [nats.createOperator(), nats.createAccount()]) {
      const error = refuses(() => decodeSeed(Buffer.from(pair.getSeed()).toString()), 'malformed');
      assert.equal(error.message, "not the seed of a node's key");
    }
  });

  test('with a reason that does not show the seed', () => {
    const error = refuses(() => decodeSeed(`${seed.slice(0, -1)}A`), 'malformed');
    assert.equal(error.message, 'not an nkey: its length or checksum is wrong');
  });

  test('of any kind is refused or, if it is accepted, is written the same again', () => {
    const letters = fc.string({ unit: fc.constantFrom(...'ABCDNSU234567'), maxLength: 70 });
    fc.assert(
      fc.property(
        fc.oneof(
          letters,
          fc.string({ unit }),
          letters.map(text => `SN${text}`),
        ),
        text => {
          const outcome = attempt(() => decodeSeed(text));
          if (!(outcome instanceof Error)) assert.equal(encodeSeed(outcome), text);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('a fingerprint', () => {
  test('has four groups of four letters, the same for the same key', () => {
    assert.equal(fingerprint(rfc.keyText), 'ZC76-HMLU-TY4R-P5P5');
    fc.assert(
      fc.property(seeds, seed => {
        assert.match(fingerprint(encodePublicKey(seed)), /^([A-Z2-7]{4}-){3}[A-Z2-7]{4}$/);
      }),
    );
  });

  test('differs between keys', () => {
    const all = Array.from({ length: 1000 }, (_, i) =>
      fingerprint(encodePublicKey(Buffer.alloc(32, `${i}|`))),
    );
    assert.equal(new Set(all).size, all.length);
  });
});
