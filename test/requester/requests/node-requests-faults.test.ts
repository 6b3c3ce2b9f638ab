// Tests requests that fail: the store does not answer, the message is malformed, or there are too many at once.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { ManagementMethod } from '../../../agent/protocol/subjects.ts';
import { Confirmations } from '../../../agent/requester/authorities/confirmations.ts';
import { rejectNode } from '../../../agent/requester/roll/decisions.ts';
import { foreignWrite } from '../roll/roll-fixture.ts';
import { computeInfo, sender } from '../samples.ts';
import { begin, decision, musterMember, update } from './requests-fixture.ts';

describe('a store that does not answer', () => {
  test('makes requests fail so that they may be tried again, and the memberships stay', async () => {
    const { asked, broker, clock, counters, lines, register, roll } = await begin();
    await register('node-1', sender());
    await roll.decide('node-1', decision, rejectNode);
    await register('node-1', sender());
    const Session = roll.records.get('node-1')?.Muster?.Session;
    broker.storeFault = operation => (/^(get|put)$/.test(operation) ? { fault: 'timeout' } : undefined);
    for (const id of ['node-1', 'node-2']) {
      assert.deepEqual(await register(id, sender()), {
        error: 'the node info store does not answer; try again',
        value: {
          Muster: musterMember({ Code: 'unavailable', Membership: id === 'node-1' ? 'REJECTED' : '' }),
        },
      });
    }
    assert.deepEqual([counters.storeFailures, counters.requestsRefused], [2, 3]);
    assert.equal(roll.records.get('node-1')?.Membership, 'REJECTED');
    assert.equal(roll.records.get('node-2'), undefined);
    // Information that did not change is answered without the store.
    const same = await asked('node-1', 'UpdateNodeInfo/v1', {
      Info: computeInfo('node-1'),
      Muster: sender(Session),
    });
    assert.equal(same.value.Muster.Code, 'rejected');
    assert.equal(lines.filter(({ level }) => level === 'error').length, 1, 'logged once a minute');
    broker.storeFault = undefined;
    await clock.settle();
    assert.equal((await register('node-1', sender())).value.Muster.Code, 'rejected');
  });

  test('makes an update fail when changed information cannot be stored', async () => {
    const { asked, broker, register, roll } = await begin();
    const { Session } = (await register('node-1', sender())).value.Muster;
    const report = () =>
      asked('node-1', 'UpdateNodeInfo/v1', {
        Info: computeInfo('node-1', { zone: 'b' }),
        Muster: sender(Session),
      });
    broker.failNext('put', { fault: 'timeout' });
    assert.equal((await report()).value.Muster.Code, 'unavailable');
    assert.deepEqual(roll.records.get('node-1')?.Info.Labels, { zone: 'a' });
    assert.equal((await report()).value.Muster.Code, 'known');
    assert.deepEqual(roll.records.get('node-1')?.Info.Labels, { zone: 'b' });
  });

  test('is not what a store is called that answered: its disk is full, or it refused', async () => {
    const { broker, register, lines } = await begin();
    for (const [fault, text] of [
      ['no_space', 'the disk of the node info store is full'],
      ['refused', 'the node info store refuses what should be stored'],
    ] as const) {
      broker.failNext('put', { fault });
      const { error, value } = await register('node-1', sender());
      assert.deepEqual([error, value.Muster.Code], [`${text}; try again`, 'unavailable']);
      assert.equal(lines.at(-1)?.message, text);
    }
  });

  test('is not the same as a record that cannot be read, which is not replaced', async () => {
    const { asked, broker, clock, register } = await begin();
    foreignWrite(broker, 'node-1', '{');
    await clock.settle();
    const answer = await register('node-1', sender());
    assert.match(answer.error, /cannot be read/);
    assert.equal(answer.value.Muster.Code, 'unavailable');
    const resources = await asked('node-1', 'UpdateResources/v1', update('node-1', { Muster: sender() }));
    assert.equal(resources.value.Muster.Code, 'unavailable');
  });
});

describe('a malformed request', () => {
  test('gets an answer with the field that is wrong, and changes nothing', async () => {
    const { send, counters, lines, open, calls, broker } = await begin();
    const good = { Info: computeInfo('node-1') };
    const rows: [string, ManagementMethod, string, RegExp][] = [
      ['nothing', 'RegisterNode/v1', '', /not a JSON document/],
      ['no JSON', 'RegisterNode/v1', 'hello', /not a JSON document/],
      ['a list', 'RegisterNode/v1', '[]', /expected an object/],
      ['too much', 'RegisterNode/v1', `"${'x'.repeat(65_536)}"`, /at most 65536/],
      ['too deep', 'Leave/v1', `${'['.repeat(40)}${']'.repeat(40)}`, /nested deeper/],
      [
        'another node',
        'RegisterNode/v1',
        JSON.stringify({ Info: computeInfo('node-2') }),
        /NodeID: the subject names/,
      ],
      [
        'another node',
        'UpdateNodeInfo/v1',
        JSON.stringify({ Info: computeInfo('node-2') }),
        /NodeID: the subject names/,
      ],
      ['another node', 'UpdateResources/v1', JSON.stringify(update('node-2')), /NodeID: the subject names/],
      ['another node', 'Leave/v1', JSON.stringify({ NodeID: 'node-2' }), /NodeID: the subject names/],
      ['no node', 'Leave/v1', '{}', /^NodeID/],
      [
        'a negative amount',
        'UpdateResources/v1',
        JSON.stringify(update('node-1', { AvailableCapacity: { CPU: -1 } })),
        /^AvailableCapacity\.CPU/,
      ],
      [
        'a label that is no text',
        'RegisterNode/v1',
        JSON.stringify({ Info: { ...good.Info, Labels: { a: 1 } } }),
        /^Info\.Labels\.a/,
      ],
      [
        'a session that is no text',
        'RegisterNode/v1',
        JSON.stringify({ ...good, Muster: { Session: 7 } }),
        /^Muster\.Session/,
      ],
    ];
    for (const [what, method, body, expected] of rows) {
      const answer = JSON.parse(await send(`node.management.node-1.${method}`, body));
      assert.match(answer.error, expected, what);
      assert.equal(answer.value, null);
    }
    assert.equal(counters.requestsMalformed, rows.length);
    assert.equal(counters.requests, rows.length);
    assert.deepEqual(calls, []);
    assert.equal(open.roll.records.size, 1);
    assert.equal(broker.openBucket('node_v1').revision, 1);
    assert.equal(lines.length, 4, 'logged once a minute, and each request took 15 s');
  });

  test('for an invalid node id is refused', async () => {
    const { send, open } = await begin();
    for (const id of ['nöde', 'a b', 'x'.repeat(129), '$SYS', '*']) {
      const answer = JSON.parse(
        await send(`node.management.${id}.RegisterNode/v1`, JSON.stringify({ Info: computeInfo(id) })),
      );
      assert.match(answer.error, /^Info\.NodeID/);
    }
    assert.equal(open.roll.records.size, 1);
  });

  test('on an unknown subject gets no answer, as with Bacalhau', async () => {
    const { clock, node, counters } = await begin();
    for (const subject of [
      'node.management.node-1.Other/v1',
      'node.management.node-1.RegisterNode/v2',
      'node.management.node-1',
      'node.management.a.b.RegisterNode/v1',
      'node.management..RegisterNode/v1',
    ]) {
      const answer = assert.rejects(node.request(subject, '{}', 2_000), { fault: 'timeout' });
      await clock.advance(2_000);
      await answer;
    }
    assert.equal(counters.requests, 0);
  });

  test('of any bytes never stops the answers', async () => {
    const { send, register } = await begin();
    const method = fc.constantFrom<ManagementMethod>(
      'RegisterNode/v1',
      'UpdateNodeInfo/v1',
      'UpdateResources/v1',
      'Leave/v1',
    );
    await fc.assert(
      fc.asyncProperty(
        method,
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }),
          fc.json().map(text => Buffer.from(text)),
        ),
        async (method, bytes) => {
          const answer = JSON.parse(await send(`node.management.node-1.${method}`, bytes));
          assert.ok(answer.error);
        },
      ),
      { numRuns: 100 },
    );
    assert.equal((await register('node-1', sender())).value.Accepted, true);
  });
});

test('requests beyond the limit are refused as busy, and later ones are answered', async () => {
  const { broker, clock, node, counters, register, roll } = await begin({ maxPending: 10_000 });
  const ask = (id: string) =>
    node.request(
      `node.management.${id}.RegisterNode/v1`,
      JSON.stringify({ Info: computeInfo(id), Muster: sender() }),
      60_000,
    );
  broker.storeFault = operation => (operation === 'put' ? { fault: 'timeout' } : undefined);
  const answers = Array.from({ length: 4_196 }, (_, i) => ask(`n-${i}`));
  await clock.settle();
  broker.storeFault = undefined;
  await clock.advance(6_000);
  const texts = (await Promise.all(answers)).map(({ data }) => Buffer.from(data).toString());
  assert.equal(texts.filter(text => text.includes('the requester is busy; try again')).length, 100);
  assert.equal(texts.filter(text => text.includes('"unavailable"')).length, 4_096);
  assert.deepEqual([counters.requests, counters.requestsRefused], [4_196, 4_196]);
  assert.equal(counters.storeFailures, 4_096, 'the store was not asked for the others');
  assert.equal((await register('n-1', sender())).value.Accepted, true);
  assert.equal(roll.records.size, 2);
});

test('what is asked before the end is answered, and the end waits for that', async () => {
  const { broker, clock, node, roll, subscription } = await begin();
  const ask = (id: string) =>
    node.request(
      `node.management.${id}.RegisterNode/v1`,
      JSON.stringify({ Info: computeInfo(id), Muster: sender() }),
      60_000,
    );
  // The store does not answer the first one for a while.
  broker.storeFault = operation => (operation === 'put' ? { fault: 'timeout' } : undefined);
  const asked = ask('node-1');
  await clock.settle();
  const order: string[] = [];
  const answered = asked.then(() => order.push('answered'));
  const finished = subscription.finish().then(() => order.push('finished'));
  await clock.settle();
  assert.deepEqual(order, []);
  await assert.rejects(ask('node-2'), { fault: 'no_responders' });
  await clock.advance(30_000);
  await Promise.all([answered, finished]);
  assert.deepEqual(order, ['answered', 'finished']);
  assert.equal(roll.records.get('node-2'), undefined);
  await subscription.finish();
});

test('after an unsubscribe no request is answered', async () => {
  const { subscription, node } = await begin();
  subscription.unsubscribe();
  await assert.rejects(node.request('node.management.node-1.RegisterNode/v1', '{}', 1_000), {
    fault: 'no_responders',
  });
});

describe('beside other requesters', () => {
  test('a node whose key another one has just pinned is answered after the key was read again', async () => {
    const known = new Set<string>();
    const { register } = await begin({
      requests: {
        peers: { areThere: true, mayHaveWritten: true },
        mayAnswer: id => known.has(id),
        refreshKey: async id => void known.add(id),
      },
    });
    assert.equal((await register('node-1', sender())).value.Muster.Code, 'registered');
  });

  test('a client that wants its answers elsewhere reads a key three times, and then waits for its turn', async () => {
    const refreshed: string[] = [];
    const { broker, clock } = await begin({
      requests: {
        peers: { areThere: true, mayHaveWritten: true },
        mayAnswer: () => false,
        refreshKey: async id => void refreshed.push(id),
      },
    });
    const ask = (id: string) =>
      broker.inject(
        `node.management.${id}.RegisterNode/v1`,
        JSON.stringify({ Info: computeInfo(id) }),
        'else',
      );
    for (let i = 0; i < 200; i++) ask('node-1');
    ask('node-2');
    await clock.settle();
    assert.deepEqual(refreshed, ['node-1', 'node-1', 'node-1', 'node-2']);
    await clock.advance(1_000);
    ask('node-1');
    await clock.settle();
    assert.equal(refreshed.length, 5);
  });

  test('what a node confirmed before counts no more, although that request is carried out later', async () => {
    const confirmations = new Confirmations(true, []);
    const authorities = {
      isAwaited: true,
      valid: ['present', 'next'],
      onKept: (id: string, pins: readonly string[] | undefined, arrival: number) =>
        void confirmations.set(id, pins?.includes('next') === true, arrival),
    };
    const { broker, clock, roll } = await begin({ requests: { authorities } });
    const { session } = await roll.register({ Info: computeInfo('node-1'), Muster: sender() });
    const ended: string[] = [];
    const confirm = (zone: string, ...Authorities: string[]) => {
      const body = JSON.stringify({
        Info: computeInfo('node-1', { zone }),
        Muster: { ...sender(session), Authorities },
      });
      const node = broker.connect();
      const answer = node.request('node.management.node-1.UpdateNodeInfo/v1', body, 60_000);
      return answer.then(() => void ended.push(Authorities.join()));
    };
    // The first one is written to the store, and the second one changes nothing there.
    const both = Promise.all([confirm('b', 'present'), confirm('a', 'present', 'next')]);
    await clock.settle();
    await both;
    assert.deepEqual(ended, ['present,next', 'present']);
    assert.deepEqual([...confirmations.confirmed], ['node-1']);
  });

  test('what a node confirms to another one counts, while the next CA waits for it, and of its own session alone', async () => {
    const kept: string[] = [];
    const authorities = {
      isAwaited: false,
      valid: ['present', 'next'],
      onKept: (id: string, pins?: readonly string[]) => void kept.push(`${id} ${pins?.join()}`),
    };
    const { broker, clock, roll, subscription } = await begin({
      isAnsweredByAnother: true,
      requests: { peers: { areThere: true, mayHaveWritten: true }, authorities },
    });
    subscription.hearOthers();
    const { session } = await roll.register({ Info: computeInfo('node-1'), Muster: sender() });
    const confirm = async (of: string | undefined, ...Authorities: string[]) => {
      const Muster = { ...sender(of), Authorities };
      const body = JSON.stringify({ Info: computeInfo('node-1'), Muster });
      broker.inject('node.management.node-1.UpdateNodeInfo/v1', body, '_INBOX.node-1');
      await clock.settle();
    };
    await confirm(session, 'present', 'next');
    assert.deepEqual(kept, [], 'no other CA is to follow');
    authorities.isAwaited = true;
    subscription.hearOthers();
    await confirm('another', 'present', 'next');
    await confirm(session, 'present');
    await confirm(session, 'present', 'next');
    assert.deepEqual(kept, ['node-1 present', 'node-1 present,next']);
    authorities.isAwaited = false;
    subscription.hearOthers();
    await confirm(session, 'present');
    assert.equal(kept.length, 2);
  });
});
