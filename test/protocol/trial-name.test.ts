// A name for a trial is known by its signature, and no other name is.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { isTrialName, trialName } from '../../agent/protocol/trial-name.ts';
import { keyPairOf } from '../../agent/transport/key-pair.ts';

const issuer = keyPairOf(new Uint8Array(32).fill(1), 'account');
const other = keyPairOf(new Uint8Array(32).fill(2), 'account');
const { publicKey: client } = keyPairOf(new Uint8Array(32).fill(3), 'node');
const { publicKey: otherClient } = keyPairOf(new Uint8Array(32).fill(4), 'node');

test('a name for a trial is known to whoever has the key, for the client that it was made for', () => {
  const name = trialName(randomUUID(), client, issuer);
  assert.ok(name.length < 256);
  assert.equal(isTrialName(name, client, issuer), true);
  assert.equal(isTrialName(name, otherClient, issuer), false);
  assert.equal(isTrialName(name, client, other), false);
  assert.equal(isTrialName(trialName(randomUUID(), client, other), client, issuer), false);
});

test('a name that is no such name, or was changed, is not one', () => {
  const name = trialName(randomUUID(), client, issuer);
  fc.assert(fc.property(fc.string(), text => !isTrialName(text, client, issuer)));
  fc.assert(
    fc.property(
      fc.nat({ max: name.length - 1 }),
      fc.constantFrom('0', 'a', 'Q', '-', '\n', 'é'),
      (at, by) => {
        const changed = name.slice(0, at) + by + name.slice(at + 1);
        // The last letter of the signature has bits that mean nothing.
        return changed === name || at === name.length - 1 || !isTrialName(changed, client, issuer);
      },
    ),
  );
  for (const more of [`${name}x`, ` ${name}`, `${name}\n`, name.slice(0, -1)])
    assert.equal(isTrialName(more, client, issuer), false);
});
