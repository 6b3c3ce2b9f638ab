// What a NATS server encrypts is read, and what is encrypted here is read by the library of NATS.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ProtocolError } from '../../agent/protocol/error.ts';
import { decodeSeed, encodeSeed } from '../../agent/protocol/nkey.ts';
import { curveKeyOf, isSealed, openBox, sealBox, sharedKeyOf } from '../../agent/protocol/sealed-box.ts';

/** The part of the library of NATS that is compared with ours. */
interface CurvePair {
  getPublicKey(): string;
  getSeed(): Uint8Array;
  seal(message: Uint8Array, recipient: string): Uint8Array;
  open(message: Uint8Array, sender: string): Uint8Array | null;
}
const require = createRequire(createRequire(import.meta.url).resolve('nats'));
const { createCurve } = require('nkeys.js') as { createCurve(): CurvePair };

const mine = curveKeyOf(new Uint8Array(32).fill(3));
const theirs = curveKeyOf(new Uint8Array(32).fill(4));
const nonce = () => new Uint8Array(randomBytes(24));

describe('an encrypted message', () => {
  it('has the form of the library of NATS, in both directions', () => {
    const server = createCurve();
    const seed = decodeSeed(Buffer.from(server.getSeed()).toString(), 'curve');
    assert.equal(curveKeyOf(seed).publicKey, server.getPublicKey());
    assert.equal(encodeSeed(seed, 'curve'), Buffer.from(server.getSeed()).toString());
    const shared = sharedKeyOf(mine, server.getPublicKey());
    const question = server.seal(Buffer.from('who is this?'), mine.publicKey);
    assert.equal(openBox(question, shared).toString(), 'who is this?');
    const answer = sealBox(Buffer.from('a node'), nonce(), shared);
    assert.equal(Buffer.from(server.open(answer, mine.publicKey) ?? []).toString(), 'a node');
  });

  it('is read as it was written, whatever it says', () => {
    const [there, back] = [sharedKeyOf(mine, theirs.publicKey), sharedKeyOf(theirs, mine.publicKey)];
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), message => {
        const sealed = sealBox(message, nonce(), there);
        assert.ok(isSealed(sealed));
        assert.deepEqual(openBox(sealed, back), Buffer.from(message));
      }),
      { numRuns: 50 },
    );
  });

  it('is refused when somebody changed a bit of it, cut it off, or wrote it for somebody else', () => {
    const shared = sharedKeyOf(mine, theirs.publicKey);
    const sealed = sealBox(Buffer.from('a code'), nonce(), shared);
    fc.assert(
      fc.property(fc.nat({ max: sealed.length * 8 - 1 }), bit => {
        const changed = Buffer.from(sealed);
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        assert.throws(() => openBox(changed, shared), ProtocolError);
      }),
      { numRuns: 100 },
    );
    for (let length = 0; length < sealed.length; length++)
      assert.throws(() => openBox(sealed.subarray(0, length), shared), ProtocolError);
    const other = sharedKeyOf(curveKeyOf(new Uint8Array(32).fill(5)), theirs.publicKey);
    assert.throws(() => openBox(sealed, other), ProtocolError);
    assert.throws(() => sharedKeyOf(mine, 'XABC'), ProtocolError);
  });
});
