// A node exchanges its key at the requester: who may, in which order it happens, and what a crash in between leaves.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { writeJson } from '../../../agent/protocol/json.ts';
import { rotationText } from '../../../agent/protocol/key-rotation.ts';
import { fingerprint } from '../../../agent/protocol/nkey.ts';
import { type KeyPair, signWith } from '../../../agent/transport/key-pair.ts';
import { issuerKey } from '../../support/callout-questions.ts';
import { newKey } from '../../support/raw-client.ts';
import { RequesterFixture } from '../requester-fixture.ts';
import { computeInfo, sender } from '../samples.ts';
import { begin, nodeName } from './gate.ts';

interface Answer {
  error?: string;
  value?: { Muster?: { Code?: string } } | null;
}

/** A requester with its own broker, and two nodes with keys, of which the first is on the roll. */
async function open() {
  const key = newKey();
  const otherKey = newKey();
  const gate = await begin({ 'node-1': key, 'node-2': otherKey });
  const { fixture, witness, start } = gate;
  const send = async (method: string, body: object, from: KeyPair): Promise<Answer> => {
    const reply = `_INBOX.${from.publicKey}.${Math.random()}`;
    const asked = witness.request(`node.management.node-1.${method}`, writeJson(body), 30_000, reply);
    const answer = await fixture.finish(asked);
    return JSON.parse(Buffer.from(answer.data).toString());
  };
  /** Asks for another key, with a proof that names `present`, signed by `signer`. */
  const rotate = (next: KeyPair, from = key, signer = next, present = from) => {
    const text = rotationText('node-1', present.publicKey, next.publicKey);
    const Signature = signWith(signer, text).toString('base64url');
    return send('RotateKey/v1', { NodeID: 'node-1', Key: next.publicKey, Signature, Muster: sender() }, from);
  };
  await start();
  await send('RegisterNode/v1', { Info: computeInfo('node-1'), Muster: sender() }, key);
  await fixture.approve('node-1');
  return { ...gate, key, otherKey, rotate };
}

describe('a node that exchanges its key', () => {
  test('has its answer first, then only the new key counts, and then the event tells of it', async () => {
    const { fixture, witness, kicked, outcome, key, rotate, ask, answers } = await open();
    assert.equal(await outcome({ key, name: nodeName('node-1'), connection: 11 }), 'node');
    const order: string[] = [];
    witness.subscribe(`_INBOX.${key.publicKey}.>`, () => void order.push('answer'));
    witness.subscribe('$SYS.REQ.SERVER.*.KICK', () => void order.push('kick'));
    witness.subscribe('node.events.node-1.*', ({ subject }) => void order.push(subject));
    const next = newKey();
    assert.equal((await rotate(next)).error, undefined);
    await fixture.clock.settle();
    assert.deepEqual(order, ['answer', 'kick', 'node.events.node-1.rekeyed']);
    assert.deepEqual(kicked, [11]);
    const { actor, fingerprint: shown, previousFingerprint } = fixture.events().at(-1)?.data ?? {};
    assert.deepEqual(
      [actor, shown, previousFingerprint],
      ['node-1', fingerprint(next.publicKey), fingerprint(key.publicKey)],
    );
    assert.deepEqual(fixture.table(), [
      'node-0 Requester APPROVED UNKNOWN',
      'node-1 Compute APPROVED UNKNOWN',
    ]);
    assert.equal(await outcome({ key: next, name: nodeName('node-1') }), 'node');
    assert.equal((await rotate(next, next)).error, undefined, 'a repeated request changes nothing');
    assert.equal(fixture.announced().filter(each => each.endsWith('rekeyed')).length, 1);

    // The old key is told what happened. For a minute that is no conflict, because its own agent may not know it yet.
    const why = async () => {
      const reply = ask({ key, name: nodeName('node-1', 'copy') });
      await fixture.clock.settle();
      assert.equal(answers.get(reply)?.lasts, 30);
      const asked = witness.request(`muster.why.${key.publicKey}`, '', 5_000, `_INBOX.${key.publicKey}.why`);
      return JSON.parse(Buffer.from((await fixture.finish(asked)).data).toString());
    };
    const { code, reason, hint, record, replacedAt } = await why();
    assert.equal(code, 'conflict');
    assert.deepEqual(record, { id: 'node-1', fingerprint: fingerprint(next.publicKey) });
    assert.equal(
      reason,
      `node node-1 has another key, ${record.fingerprint}, which replaced this one at ${replacedAt}`,
    );
    assert.match(hint, /reset-identity.*restore its newest identity.nk.*rekey node-1/);
    assert.equal(fixture.announced().filter(each => each.endsWith('conflict')).length, 0);
    await fixture.clock.advance(61_000);
    await why();
    await fixture.clock.settle();
    assert.equal(fixture.announced().filter(each => each.endsWith('conflict')).length, 1);
  });

  test('cannot take a key that is not its own, banned, or another node has', async () => {
    const { rotate, key, otherKey, fixture, outcome } = await open();
    const next = newKey();
    assert.match((await rotate(next, key, newKey())).error ?? '', /did not sign the request/);
    assert.match((await rotate(next, key, next, newKey())).error ?? '', /present key is another/);
    assert.match((await rotate(otherKey)).error ?? '', /belongs to node node-2/);
    await fixture.reject('node-1');
    assert.match((await rotate(next)).error ?? '', /is rejected/);
    await fixture.approve('node-1');
    assert.equal(await outcome({ key, name: nodeName('node-1') }), 'node');
    assert.equal(await outcome({ key: next, name: nodeName('node-1') }), 'refused');
  });

  test('may do so three times at once, and then once in a minute', async () => {
    const { rotate, key, fixture } = await open();
    let present = key;
    const codes: (string | undefined)[] = [];
    for (let n = 0; n < 4; n++) {
      const next = newKey();
      const { error, value } = await rotate(next, present);
      codes.push(error === undefined ? 'ok' : value?.Muster?.Code);
      if (error === undefined) present = next;
      await fixture.clock.settle();
    }
    assert.deepEqual(codes, ['ok', 'ok', 'ok', 'unavailable']);
  });

  for (const writes of [0, 1, 2, 3, 4])
    test(`has one key that works when the requester is killed after ${writes} writes`, async () => {
      const { rotate, key, fixture, broker, outcome } = await open();
      let left = writes;
      broker.storeFault = operation =>
        (operation === 'put' || operation === 'purge') && left-- <= 0 ? { fault: 'disconnected' } : undefined;
      const next = newKey();
      void rotate(next).catch(() => undefined);
      await fixture.clock.settle();
      await fixture.kill();
      broker.storeFault = undefined;
      fixture.connection = broker.connect();
      fixture.requester = fixture.newRequester(fixture.connection, { issuer: issuerKey });
      await fixture.finish(fixture.requester.start());
      const results = [
        await outcome({ key, name: nodeName('node-1') }),
        await outcome({ key: next, name: nodeName('node-1') }),
      ];
      // With its record, the exchange is decided.
      assert.deepEqual(results, writes === 0 ? ['node', 'refused'] : ['refused', 'node']);
      assert.equal(fixture.announced().filter(each => each.endsWith('rekeyed')).length, writes === 0 ? 0 : 1);
    });

  test('is told so where nobody checks keys', async () => {
    const fixture = await RequesterFixture.started();
    await fixture.register('node-1');
    const body = { NodeID: 'node-1', Key: newKey().publicKey, Signature: 'x', Muster: sender() };
    const { error, value } = await fixture.ask('node-1', 'RotateKey/v1', body);
    assert.match(error ?? '', /has no key that the requester checks/);
    assert.equal(value?.Muster?.Code, 'conflict');
  });
});
