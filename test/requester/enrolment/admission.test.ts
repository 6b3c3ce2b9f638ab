// Who is let in to the requester's own broker: questions as a broker asks them, to a requester over a broker in memory.
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { describe, test } from 'node:test';
import { joinToken } from '../../../agent/protocol/join-code.ts';
import { decodePublicKey, encodePublicKey, fingerprint } from '../../../agent/protocol/nkey.ts';
import { clusterBucket } from '../../../agent/requester/cluster/cluster-bucket.ts';
import type { KeyPair } from '../../../agent/transport/key-pair.ts';
import type { Bucket } from '../../../agent/transport/port.ts';
import { listClientsAs } from '../../support/callout-questions.ts';
import { newKey } from '../../support/raw-client.ts';
import { settings } from '../requester-fixture.ts';
import { computeInfo, sender } from '../samples.ts';
import { begin, nodeName } from './gate.ts';

describe('a key that is pinned', () => {
  test('may speak for its node and hear its own answers, and nothing else', async () => {
    const key = newKey();
    const { start, ask, answers, fixture } = await begin({ 'node-1': key });
    await start();
    const reply = ask({ key, name: nodeName('node-1') });
    await fixture.clock.settle();
    assert.deepEqual(answers.get(reply), {
      publish: [
        'node.management.node-1.>',
        'bacalhau.global.compute.node-1.out.heartbeat',
        'node.alive.node-1',
        `muster.why.${key.publicKey}`,
      ],
      subscribe: ['node.events.node-1.*', `_INBOX.${key.publicKey}.>`, 'node.compute.node-1.>'],
      lasts: undefined,
    });
  });

  test('is let in while the store takes no writes, and a new key is not', async () => {
    const key = newKey();
    const { start, outcome, broker, fixture } = await begin({ 'node-1': key });
    await start();
    broker.storeFault = operation => (operation === 'put' ? { fault: 'no_space' } : undefined);
    await fixture.clock.advance(60_000);
    assert.equal(await outcome({ key, name: nodeName('node-1') }, 6_000), 'node');
    assert.equal(await outcome({ key: newKey(), name: nodeName('node-2') }, 6_000), undefined);
  });

  test('is let in although the store has lost whose key it is, and the store says it again', async () => {
    const key = newKey();
    const { start, outcome, bucket } = await begin({ 'node-1': key });
    const owner = `key.${key.publicKey}`;
    await bucket.purge(owner, (await bucket.get(owner))?.revision ?? 0, {});
    await start();
    assert.equal(await outcome({ key, name: nodeName('node-1') }), 'node');
    assert.deepEqual(JSON.parse(Buffer.from((await bucket.get(owner))?.value ?? []).toString()), {
      id: 'node-1',
    });
  });

  test('is not let in by a server without a random text, nor by another door', async () => {
    const key = newKey();
    const { start, outcome } = await begin({ 'node-1': key });
    await start();
    const name = nodeName('node-1');
    for (const nonce of ['', 'short', 'with blank here', 'x'.repeat(65)])
      assert.equal(await outcome({ key, name, nonce }), undefined, `nonce ${nonce}`);
    for (const client of [{ type: 'mqtt' }, { type: 'websocket' }, { kind: 'Leafnode' }, { kind: 'Router' }])
      assert.equal(await outcome({ key, name, client }), undefined, JSON.stringify(client));
    assert.equal(await outcome({ key, name }), 'node');
  });
});

test('an unban that the store does not carry out, or does not answer, is called an unban, and the key stays banned', async () => {
  const key = newKey();
  const { start, broker, bucket, requester, fixture } = await begin();
  const ban = { id: 'node-1', actor: 'ann', reason: 'stolen', at: '2026-01-01T00:00:00Z' };
  await bucket.put(`ban.${key.publicKey}`, Buffer.from(JSON.stringify(ban)), 0);
  await start();
  const name = fingerprint(key.publicKey);
  for (const [fault, code, message, hint] of [
    ['no_space', 'failed', 'was not stored: the disk of the cluster store is full', /^muster status/],
    ['timeout', 'unreachable', 'may stand or not: the cluster store does not answer', /: muster node bans$/],
  ] as const) {
    broker.storeFault = operation => (operation === 'purge' ? { fault } : undefined);
    const error = await fixture.finish(
      requester.directory.unban(name, { actor: 'ann' }).then(
        () => undefined,
        caught => caught,
      ),
    );
    assert.equal(error?.code, code);
    assert.ok(error.message.startsWith(`the unban of key ${name} ${message} (`), error.message);
    assert.match(error.hint, hint);
    assert.equal(requester.directory.bans().length, 1);
  }
  broker.storeFault = undefined;
  await fixture.finish(requester.directory.unban(name, { actor: 'ann' }));
  assert.deepEqual(requester.directory.bans(), []);
});

test('a node that gave way to a newcomer comes back without a code and waits again, and another key does not', async () => {
  const [old, other] = [newKey(), newKey()];
  const gate = await begin({ old, other }, { settings: { ...settings, maxPending: 1 } });
  const { fixture, broker, start, outcome, bucket } = gate;
  await start();
  const register = async (id: string, key: KeyPair) => {
    const body = JSON.stringify({ Info: computeInfo(id), Muster: sender() });
    broker.inject(`node.management.${id}.RegisterNode/v1`, body, `_INBOX.${key.publicKey}.1`);
    await fixture.clock.settle();
  };
  const waiting = () =>
    fixture.requester.directory
      .list()
      .filter(({ Membership }) => Membership === 'PENDING')
      .map(({ Info }) => Info.NodeID);
  await register('old', old);
  assert.deepEqual(waiting(), ['old']);
  await fixture.clock.advance(settings.nodeDisconnectedAfter + 1_000);
  await register('other', other);
  await fixture.clock.advance(1_000);
  assert.deepEqual(waiting(), ['other']);
  assert.ok(await bucket.get('expired.old'), 'its key is in the store');
  assert.equal(
    await outcome({ key: newKey(), name: nodeName('old') }),
    undefined,
    'another key needs a code',
  );
  await fixture.clock.advance(settings.nodeDisconnectedAfter + 1_000);
  assert.equal(await outcome({ key: old, name: nodeName('old') }), 'node');
  assert.ok((await bucket.get('expired.old'))?.marker, 'it is remembered by its pin again');
  await register('old', old);
  assert.deepEqual(waiting(), ['old']);
});

describe('two newcomers with one id', () => {
  /** Writes a join code for so many nodes into the store, and returns its token. */
  const writeCode = async (bucket: Bucket, uses: number): Promise<string> => {
    const token = joinToken('abcdefghij', new Uint8Array(16).fill(1));
    const code = { hash: hash('sha256', token, 'base64url'), at: '2000-01-01T00:00:00Z', by: 'ann' };
    const record = { ...code, endsAt: '2100-01-01T00:00:00Z', uses, approve: false, labels: {} };
    await bucket.put('code.abcdefghij', Buffer.from(JSON.stringify(record)), 0);
    return token;
  };

  test('at the same time: the first has it, and the second is told so and costs the code nothing', async () => {
    const { start, ask, answers, bucket, broker, fixture } = await begin();
    const token = await writeCode(bucket, 2);
    await start();
    const keys = [newKey(), newKey()];
    const replies = keys.map((key, n) => ask({ key, token, name: nodeName('new-1', `i${n}`) }));
    await fixture.clock.advance(1_000);
    assert.deepEqual(
      replies.map(reply => answers.get(reply)?.lasts),
      [undefined, 30],
    );
    assert.ok(replies.every(reply => answers.has(reply)));
    const stored = [...broker.openBucket(clusterBucket.name).entries.keys()];
    assert.deepEqual(
      stored.filter(key => /^(pin|key)\./.test(key)),
      [`key.${keys[0]?.publicKey}`, 'pin.new-1'],
    );
    const other = ask({ key: newKey(), token, name: nodeName('new-2') });
    await fixture.clock.advance(1_000);
    assert.ok(answers.has(other) && answers.get(other)?.lasts === undefined, 'the second use is free');
  });

  test('one key that asks for two ids at once gets one', async () => {
    const { start, ask, answers, bucket, fixture } = await begin();
    const token = await writeCode(bucket, 9);
    await start();
    const key = newKey();
    const replies = ['new-1', 'new-2'].map(id => ask({ key, token, name: nodeName(id) }));
    await fixture.clock.advance(1_000);
    assert.deepEqual(
      replies.map(reply => answers.get(reply)?.lasts),
      [undefined, 30],
    );
  });

  test('while the store takes nothing, neither has it; and then whoever asks first', async () => {
    const { start, outcome, bucket, broker } = await begin();
    const token = await writeCode(bucket, 1);
    await start();
    broker.storeFault = (operation, key) =>
      operation === 'put' && key.startsWith('key.') ? { fault: 'no_space' } : undefined;
    const keys = [newKey(), newKey()];
    for (const key of keys)
      assert.equal(await outcome({ key, token, name: nodeName('new-1') }, 1_000), 'refused');
    broker.storeFault = undefined;
    assert.equal(await outcome({ key: keys[1], token, name: nodeName('new-1') }, 1_000), 'node');
    assert.equal(await outcome({ key: keys[0], token, name: nodeName('new-1') }, 1_000), 'refused');
  });
});

describe('wrong keys', () => {
  test('of one machine are let in to ask why only now and then, and those of another machine as well', async () => {
    const { start, outcome, fixture, requester } = await begin({ 'node-1': newKey() });
    await start();
    const knock = (host: string) => outcome({ key: newKey(), name: nodeName('node-1'), host });
    const flood: (string | undefined)[] = [];
    for (let n = 0; n < 60; n++) flood.push(await knock('192.0.2.66'));
    assert.deepEqual(flood, [...Array(50).fill('refused'), ...Array(10).fill(undefined)]);
    assert.equal(await knock('192.0.2.67'), 'refused');
    await fixture.clock.advance(1_000);
    assert.equal(await knock('192.0.2.66'), 'refused');
    assert.equal(requester.status().counters.refusedKeys, 62);
    const lines = fixture.lines.filter(({ message }) => message.startsWith('a key was refused'));
    assert.equal(lines.length, 1, 'a line a minute for each cause');
  });
});

describe('a second process with the same key', () => {
  test('is refused while the first one says that it is alive, and let in when that is silent or gone', async () => {
    const key = newKey();
    const { start, outcome, witness, kicked } = await begin({ 'node-1': key });
    await start();
    assert.equal(await outcome({ key, name: nodeName('node-1', 'first'), connection: 11 }), 'node');
    const alive = witness.subscribe('node.compute.node-1.alive', message => {
      assert.equal(message.reply, 'node.alive.node-1');
      message.respond('first');
    });
    assert.equal(await outcome({ key, name: nodeName('node-1', 'second'), connection: 12 }), 'refused');
    assert.deepEqual(kicked, []);
    alive.unsubscribe();
    const hung = witness.subscribe('node.compute.node-1.alive', () => undefined);
    assert.equal(await outcome({ key, name: nodeName('node-1', 'second'), connection: 13 }, 5_000), 'node');
    assert.deepEqual(kicked, [11]);
    hung.unsubscribe();
    assert.equal(await outcome({ key, name: nodeName('node-1', 'third'), connection: 14 }), 'node');
    assert.deepEqual(kicked, [11, 13]);
  });

  test('gets no answer when its turn comes too late, and cuts nobody off', async () => {
    const key = newKey();
    const { start, ask, answers, fixture, witness, kicked } = await begin({ 'node-1': key });
    await start();
    ask({ key, name: nodeName('node-1', 'i0'), connection: 100 });
    await fixture.clock.settle();
    witness.subscribe('node.compute.node-1.alive', () => undefined);
    const replies = Array.from({ length: 50 }, (_, n) =>
      ask({ key, name: nodeName('node-1', `i${n + 1}`), connection: 101 + n }),
    );
    await fixture.clock.advance(600_000);
    assert.equal(replies.filter(reply => answers.has(reply)).length, 2);
    assert.deepEqual(kicked, [100, 101]);
  });

  test('that was there before the requester is known to it, before anybody is let in', async () => {
    const key = newKey();
    const { start, outcome, witness } = await begin({ 'node-1': key });
    const userKey = encodePublicKey(decodePublicKey(key.publicKey), 'user');
    listClientsAs(witness, () => [
      { cid: 5, ip: '192.0.2.9', name: nodeName('node-1', 'first'), authorized_user: userKey },
    ]);
    witness.subscribe('node.compute.node-1.alive', message => void message.respond('first'));
    const started = start();
    await started;
    await new Promise(resolve => setImmediate(resolve));
    assert.equal(await outcome({ key, name: nodeName('node-1', 'copy') }), 'refused');
  });
});

describe('questions that come while the requester starts', () => {
  test('are answered when it is ready, unless they are too old', async () => {
    const key = newKey();
    const { start, ask, answers, fixture, broker } = await begin({ 'node-1': key });
    const old = ask({ key, name: nodeName('node-1', 'old') });
    await fixture.clock.advance(9_000);
    const young = ask({ key, name: nodeName('node-1') });
    assert.equal(broker.up, true);
    await start();
    await fixture.clock.advance(1);
    assert.ok(!answers.has(old) && answers.has(young));
  });
});

describe('a store that was lost under a running requester', () => {
  for (const loss of ['all of it', 'what is not about nodes'] as const)
    test(`gets the pins again: ${loss}`, async () => {
      const key = newKey();
      const { start, fixture, broker, outcome } = await begin({ 'node-1': key });
      await start();
      if (loss === 'all of it') {
        broker.wipe();
        broker.start();
      } else broker.openBucket(clusterBucket.name).entries.clear();
      await fixture.clock.advance(60_000);
      assert.ok(broker.openBucket(clusterBucket.name).entries.has('pin.node-1'));
      assert.ok(broker.openBucket(clusterBucket.name).entries.has(`key.${key.publicKey}`));
      assert.equal(await outcome({ key, name: nodeName('node-1') }), 'node');
    });
});
