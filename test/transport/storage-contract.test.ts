// A real broker and the fake broker of other tests both keep the promises of port.ts about storage.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { systemClock } from '../../agent/system/clock.ts';
import type { BucketEntry, Connection } from '../../agent/transport/port.ts';
import { bytes, connectTo, text } from '../support/connections.ts';
import { eventually } from '../support/eventually.ts';
import { FakeBroker } from '../support/fake-connection.ts';
import { startNatsServer } from '../support/nats-server.ts';

interface Broker {
  connection(): Promise<Connection>;
  /** Kills the broker, deletes what it stored if asked to, and starts it again. */
  restart(options: { wipe: boolean }): Promise<void>;
}

const server = await startNatsServer();
after(() => server.release());
const real: Broker = {
  async connection() {
    const connection = connectTo(server.url);
    await connection.connected();
    return connection;
  },
  async restart({ wipe }) {
    await server.kill();
    if (wipe) await server.wipe();
    await server.start();
  },
};

const broker = new FakeBroker(systemClock);
const fake: Broker = {
  connection: async () => broker.connect(),
  async restart({ wipe }) {
    if (wipe) broker.wipe();
    else broker.stop();
    broker.start();
  },
};

/** Returns one line for a call of a watcher. */
const line = ({ key, value, revision, marker, headers }: BucketEntry) =>
  `${key}@${revision} ${marker ? `gone ${JSON.stringify(headers)}` : text(value)}`;

for (const [name, broker] of Object.entries({ real, fake })) {
  describe(`a bucket of the ${name} broker`, () => {
    test('is written only by a writer that knows the newest revision', async () => {
      const bucket = await (await (await broker.connection()).storage()).bucket({
        name: 'writes',
        history: 1,
      });
      assert.equal(await bucket.get('node-1'), undefined);
      const first = await bucket.put('node-1', bytes('one'), 0);
      const entry = await bucket.get('node-1');
      assert.ok(entry);
      assert.equal(line(entry), `node-1@${first} one`);
      assert.ok(Math.abs(entry.created.getTime() - Date.now()) < 60_000);
      await assert.rejects(bucket.put('node-1', bytes('two'), 0), { fault: 'revision_conflict' });
      await assert.rejects(bucket.put('node-1', bytes('two'), first + 1), { fault: 'revision_conflict' });
      await assert.rejects(bucket.put('node-10', bytes('ten'), first), { fault: 'revision_conflict' });
      const second = await bucket.put('node-1', bytes('two'), first);
      assert.ok(second > first);
      await assert.rejects(bucket.put('node-1', bytes('late'), first), { fault: 'revision_conflict' });
      await assert.rejects(bucket.purge('node-1', first, {}), { fault: 'revision_conflict' });
      assert.equal(text((await bucket.get('node-1'))?.value ?? bytes('')), 'two');
    });

    test('says when it was created and what its newest revision is', async () => {
      const bucket = await (await (await broker.connection()).storage()).bucket({
        name: 'states',
        history: 1,
      });
      const empty = await bucket.state();
      assert.equal(empty.lastRevision, 0);
      const first = await bucket.put('k', bytes('v'), 0);
      const marker = await bucket.purge('k', first, {});
      assert.deepEqual(await bucket.state(), { created: empty.created, lastRevision: marker, keys: 1 });
      await broker.restart({ wipe: true });
      await eventually(
        'it exists again',
        async () => (await bucket.state().catch(() => undefined)) !== undefined,
      );
      const anew = await bucket.state();
      assert.notEqual(anew.created, empty.created);
      assert.equal(anew.lastRevision, 0);
    });

    test('keeps a marker of a purged key, which is written again only with the revision of the marker', async () => {
      const bucket = await (await (await broker.connection()).storage()).bucket({
        name: 'markers',
        history: 1,
      });
      const first = await bucket.put('k', bytes('v'), 0);
      const marker = await bucket.purge('k', first, {
        'Muster-Reason': 'retired; see #12',
        'Muster-By': 'ann',
      });
      const entry = await bucket.get('k');
      assert.ok(entry);
      assert.equal(line(entry), `k@${marker} gone {"Muster-Reason":"retired; see #12","Muster-By":"ann"}`);
      await assert.rejects(bucket.put('k', bytes('again'), 0), { fault: 'revision_conflict' });
      await assert.rejects(bucket.put('k', bytes('again'), first), { fault: 'revision_conflict' });
      const again = await bucket.put('k', bytes('again'), marker);
      assert.equal((await bucket.get('k'))?.revision, again);
    });

    test('removes a marker for good, but nothing that is newer or under another key', async () => {
      const bucket = await (await (await broker.connection()).storage()).bucket({
        name: 'removed',
        history: 1,
      });
      const other = await bucket.put('k.2', bytes('v'), 0);
      const first = await bucket.put('k', bytes('v'), 0);
      const marker = await bucket.purge('k', first, {});
      const again = await bucket.put('k', bytes('v'), marker);
      await bucket.remove('k', marker);
      assert.equal((await bucket.get('k'))?.revision, again, 'a newer entry stays');
      const second = await bucket.purge('k', again, {});
      await bucket.remove('k', second);
      assert.equal(await bucket.get('k'), undefined);
      assert.equal((await bucket.get('k.2'))?.revision, other);
      await bucket.remove('never-written', second);
      assert.ok((await bucket.put('k', bytes('v'), 0)) > second, 'revisions go on');
    });

    test('has one winner when two write at the same time', async () => {
      const [one, two] = await Promise.all([broker.connection(), broker.connection()]);
      const buckets = await Promise.all(
        [one, two].map(async each => (await each.storage()).bucket({ name: 'races', history: 1 })),
      );
      const results = await Promise.allSettled(buckets.map(bucket => bucket.put('k', bytes('v'), 0)));
      assert.deepEqual(results.map(result => result.status).toSorted(), ['fulfilled', 'rejected']);
    });

    test('is watched by the beginning of its keys', async () => {
      const bucket = await (await (await broker.connection()).storage()).bucket({
        name: 'parts',
        history: 1,
      });
      for (const key of ['a.1', 'b.1', 'a.2', 'a', 'ab.1']) await bucket.put(key, bytes('v'), 0);
      const received: string[] = [];
      const watch = await bucket.watch(entry => received.push(entry.key), { prefixes: ['a.'] });
      await watch.ready;
      await bucket.put('b.2', bytes('v'), 0);
      await bucket.put('a.3', bytes('v'), 0);
      await eventually('the write is seen', () => received.includes('a.3'));
      watch.stop();
      assert.deepEqual(received, ['a.1', 'a.2', 'a.3']);
    });

    test('is watched by several beginnings of its keys at once, in the order of the revisions, also after a restart', async () => {
      const bucket = await (await (await broker.connection()).storage()).bucket({
        name: 'several',
        history: 1,
      });
      const revisions = new Map<string, number>();
      const put = async (key: string) =>
        revisions.set(key, await bucket.put(key, bytes('v'), revisions.get(key) ?? 0));
      for (const key of ['b.1', 'a.1', 'c.1', 'lease', 'b.2', 'a.1']) await put(key);
      const received: string[] = [];
      let passes = 0;
      const watch = await bucket.watch(entry => received.push(entry.key), {
        prefixes: ['a.', 'b.', 'd.'],
        complete: () => passes++,
      });
      await watch.ready;
      assert.deepEqual(received.splice(0), ['b.1', 'b.2', 'a.1']);
      for (const key of ['d.1', 'c.1', 'lease', 'b.1', 'a.2']) await put(key);
      await eventually('the writes are seen', () => received.includes('a.2'));
      assert.deepEqual(received.splice(0), ['d.1', 'b.1', 'a.2']);
      await broker.restart({ wipe: false });
      await eventually('another pass', () => passes === 2);
      watch.stop();
      assert.deepEqual(received, ['b.2', 'a.1', 'd.1', 'b.1', 'a.2']);
    });

    test('is watched from its newest entries on and through a restart, and its loss is announced', async () => {
      const connection = await broker.connection();
      const bucket = await (await connection.storage()).bucket({ name: 'watched', history: 1 });
      const a = await bucket.put('a', bytes('1'), 0);
      const b = await bucket.put('b', bytes('1'), 0);
      await bucket.put('a', bytes('2'), a);
      await bucket.purge('b', b, {});
      const received: string[] = [];
      let passes = 0;
      const watch = await bucket.watch(entry => received.push(line(entry)), {
        begin: ({ lost }) => received.push(`begin${lost ? ', lost' : ''}`),
        complete: () => {
          passes++;
          received.push('complete');
        },
      });
      await watch.ready;
      assert.deepEqual(received.splice(0), ['begin', `a@${a + 2} 2`, `b@${b + 2} gone {}`, 'complete']);

      const c = await bucket.put('c', bytes('1'), 0);
      await eventually('the write', () => received.length === 1);
      assert.deepEqual(received.splice(0), [`c@${c} 1`]);

      await broker.restart({ wipe: false });
      await eventually('another pass', () => passes === 2);
      assert.deepEqual(received.splice(0), [
        'begin',
        `a@${a + 2} 2`,
        `b@${b + 2} gone {}`,
        `c@${c} 1`,
        'complete',
      ]);

      await broker.restart({ wipe: true });
      await eventually('another pass', () => passes === 3);
      assert.deepEqual(received.splice(0), ['begin, lost', 'complete']);
      await assert.rejects(bucket.put('c', bytes('2'), c), { fault: 'revision_conflict' });
      assert.equal(await bucket.get('c'), undefined);
      const anew = await bucket.put('c', bytes('2'), 0);
      await eventually('the write', () => received.length === 1);
      assert.deepEqual(received.splice(0), [`c@${anew} 2`]);

      await broker.restart({ wipe: false });
      await eventually('another pass', () => passes === 4);
      assert.deepEqual(received.splice(0), ['begin', `c@${anew} 2`, 'complete'], 'not lost a second time');
      watch.stop();
      await bucket.put('c', bytes('3'), anew);
      await connection.flush(5_000);
      assert.deepEqual(received, []);
    });
  });

  describe(`a queue of the ${name} broker`, () => {
    test('gives each message to one of its subscribers, and to all others too', async () => {
      const [one, two, sender] = await Promise.all([1, 2, 3].map(() => broker.connection()));
      assert.ok(one && two && sender);
      const received: string[] = [];
      one.subscribe('work.>', ({ data }) => void received.push(`one ${text(data)}`), 'all');
      two.subscribe('work.>', ({ data }) => void received.push(`two ${text(data)}`), 'all');
      two.subscribe('work.>', ({ data }) => void received.push(`heard ${text(data)}`));
      for (const each of [one, two]) await each.flush(5_000);
      for (let i = 0; i < 20; i++) sender.publish('work.x', String(i));
      await eventually('all came', () => received.length === 40);
      assert.equal(received.filter(each => each.startsWith('heard')).length, 20);
      assert.equal(new Set(received.map(each => each.split(' ')[1])).size, 20);
    });
  });

  describe(`an event stream of the ${name} broker`, () => {
    const config = { name: 'EVENTS', subjects: ['events.>'], maxAgeMs: 86_400_000, maxBytes: 16_777_216 };

    test('stores an event behind a fence only while the fence holds', async () => {
      const stream = await (await (await broker.connection()).storage()).stream({
        ...config,
        name: 'FENCED',
        subjects: ['fenced.>'],
      });
      const { sequence } = await stream.publish('fenced.mark', 'a', 'mark:1');
      const fence = { subject: 'fenced.mark', sequence };
      await Promise.all(
        Array.from({ length: 20 }, (_, i) => stream.publish(`fenced.n.${i}`, 'x', `n:${i}`, fence)),
      );
      assert.equal((await stream.publish('fenced.n.0', 'x', 'n:0', fence)).duplicate, true);
      await stream.publish('fenced.mark', 'b', 'mark:2');
      await assert.rejects(stream.publish('fenced.n.1', 'y', 'm:1', fence), { fault: 'revision_conflict' });
      assert.equal((await stream.fill()).lastSequence, 22);
    });

    test('stores a batch of events as a whole or not at all', async () => {
      const options = { ...config, name: 'BATCHES', subjects: ['batch.>'] };
      const stream = await (await (await broker.connection()).storage()).stream(options);
      const event = (id: string) => ({ subject: `batch.${id[0]}.up`, data: id, id });
      const { sequence } = await stream.publish('batch.mark', 'a', 'mark:1');
      const fence = { subject: 'batch.mark', sequence };
      const many = Array.from({ length: 500 }, (_, i) => event(`a${i}`));
      assert.equal(await stream.publishBatch(many, fence), sequence + 500);
      assert.equal(await stream.publishBatch([event('b1'), event('c1')]), sequence + 502);
      assert.equal(await stream.publishBatch([event('b2'), event('a7')], fence), undefined, 'one is there');
      assert.equal(await stream.publishBatch([event('b2'), event('b2')], fence), undefined, 'twice the same');
      await stream.publish('batch.mark', 'b', 'mark:2');
      await assert.rejects(stream.publishBatch([event('b2'), event('c2')], fence), {
        fault: 'revision_conflict',
      });
      assert.equal((await stream.fill()).lastSequence, sequence + 503);
      const stored: string[] = [];
      await stream.lastPerSubject(['batch.*.up'], ({ data }) => stored.push(text(data)));
      assert.deepEqual(stored, ['a499', 'b1', 'c1']);
    });

    test('is followed from a sequence on', async () => {
      const stream = await (await (await broker.connection()).storage()).stream({
        ...config,
        name: 'LATER',
        subjects: ['later.>'],
      });
      for (const each of ['1', '2', '3']) await stream.publish('later.x', each, each);
      const received: string[] = [];
      const follow = await stream.follow({ filter: 'later.>', after: 2 }, ({ data }) => {
        received.push(text(data));
      });
      await follow.ready;
      await stream.publish('later.x', '4', '4');
      await eventually('two came', () => received.length === 2);
      assert.deepEqual(received, ['3', '4']);
      follow.stop();
    });

    test('stores each id once, delivers to plain subscribers, and is followed through a restart', async () => {
      const connection = await broker.connection();
      const stream = await (await connection.storage()).stream(config);
      const plain: string[] = [];
      connection.subscribe('events.>', message => plain.push(text(message.data)));
      await connection.flush(5_000);
      const first = await stream.publish('events.a.up', '1', 'a:1');
      assert.equal(first.duplicate, false);
      assert.deepEqual(await stream.publish('events.a.up', '1', 'a:1'), { ...first, duplicate: true });
      const taken = await stream.publish('events.a.other', '1', 'a:1');
      assert.equal(taken.duplicate, false, 'another subject under the same id is another event');
      const changed = await stream.publish('events.a.other', '2', 'a:1');
      assert.equal(changed.duplicate, false, 'another text under the same id is another event');
      const received: string[] = [];
      const follow = await stream.follow({ filter: 'events.*.up' }, message => {
        received.push(`${message.sequence} ${message.subject} ${text(message.data)}`);
      });
      await follow.ready;
      await stream.publish('events.b.down', 'x', 'b:2');
      await stream.publish('events.b.up', '2', 'b:3');
      await eventually('two', () => received.length === 2);
      await broker.restart({ wipe: false });
      await connection.connected();
      await stream.publish('events.c.up', '3', 'c:4');
      await eventually('three', () => received.length === 3);
      const base = first.sequence;
      assert.deepEqual(received, [
        `${base} events.a.up 1`,
        `${base + 4} events.b.up 2`,
        `${base + 5} events.c.up 3`,
      ]);
      assert.ok(plain.includes('2') && plain.includes('3'));
      follow.stop();

      const last: string[] = [];
      await stream.publish('events.a.up', '4', 'a:5');
      await stream.lastPerSubject(['events.*.up'], message =>
        last.push(`${message.subject} ${text(message.data)}`),
      );
      assert.deepEqual(last, ['events.b.up 2', 'events.c.up 3', 'events.a.up 4']);
      await stream.lastPerSubject(['events.none'], () => assert.fail('nothing matches'));
    });

    test('says how full it is, and loses what is removed from it and nothing else', async () => {
      const connection = await broker.connection();
      const options = { ...config, name: 'ROOM', subjects: ['room.>'] };
      const stream = await (await connection.storage()).stream(options);
      const { created, ...empty } = await stream.fill();
      assert.notEqual(created, '');
      assert.deepEqual(empty, {
        bytes: 0,
        maxBytes: config.maxBytes,
        lastSequence: 0,
        isTrimmed: false,
      });
      assert.equal(await stream.oldest('room.*.up'), undefined);
      for (const [index, subject] of ['a.down', 'a.up', 'b.up', 'a.down', 'b.up'].entries())
        await stream.publish(`room.${subject}`, `text ${index}`, String(index));
      const oldest = await stream.oldest('room.*.up');
      assert.deepEqual([oldest?.subject, oldest?.sequence], ['room.a.up', 2]);
      assert.ok(Math.abs((oldest?.time.getTime() ?? 0) - Date.now()) < 60_000);
      const before = await stream.fill();
      assert.deepEqual([before.lastSequence, before.isTrimmed], [5, false]);
      assert.equal(await stream.removeBefore('room.*.up', 5), 2);
      assert.equal(await stream.removeBefore('room.*.up', 5), 0);
      const after = await stream.fill();
      assert.deepEqual([after.lastSequence, after.isTrimmed, after.bytes < before.bytes], [5, true, true]);
      const received: string[] = [];
      const follow = await stream.follow({ filter: 'room.>' }, message => {
        received.push(`${message.sequence} ${message.subject}`);
      });
      await follow.ready;
      follow.stop();
      assert.deepEqual(received, ['1 room.a.down', '4 room.a.down', '5 room.b.up']);
    });

    test('says how many messages after one of them were removed', async () => {
      const connection = await broker.connection();
      const stream = await (await connection.storage()).stream({
        ...config,
        name: 'REMOVED',
        subjects: ['removed.>'],
      });
      for (const id of ['1', '2', '3', '4']) await stream.publish(`removed.${Number(id) % 2}`, id, id);
      const removedAfter = () => Promise.all([0, 1, 2, 3, 4, 6].map(each => stream.removedAfter(each)));
      assert.deepEqual(await removedAfter(), [0, 0, 0, 0, 0, -2]);
      await stream.removeBefore('removed.1', 4);
      assert.deepEqual(await removedAfter(), [2, 1, 1, 0, 0, -2]);
      await stream.removeBefore('removed.0', 9);
      assert.deepEqual(await removedAfter(), [4, 3, 2, 1, 0, -2]);
    });

    test('can be followed from a certain time on', async () => {
      const connection = await broker.connection();
      const stream = await (await connection.storage()).stream({
        ...config,
        name: 'SINCE',
        subjects: ['since.>'],
      });
      await stream.publish('since.old', 'old', 'old');
      const since = new Date(Date.now() + 1);
      await eventually('a later time', () => Date.now() > since.getTime() + 1);
      await stream.publish('since.new', 'new', 'new');
      const received: string[] = [];
      const follow = await stream.follow({ filter: 'since.>', since }, message => {
        received.push(message.subject);
      });
      await follow.ready;
      follow.stop();
      assert.deepEqual(received, ['since.new']);
    });

    test('is created again by the next event after it was lost, and followed from its beginning', async () => {
      const connection = await broker.connection();
      const stream = await (await connection.storage()).stream({
        ...config,
        name: 'LOST',
        subjects: ['lost.>'],
      });
      const received: string[] = [];
      const follow = await stream.follow({ filter: 'lost.>' }, message => {
        received.push(text(message.data));
      });
      for (const id of ['1', '2', '3']) await stream.publish('lost.x', id, id);
      await eventually('three', () => received.length === 3);
      await broker.restart({ wipe: true });
      await connection.connected();
      assert.equal((await stream.publish('lost.x', 'again', '1')).duplicate, false);
      await eventually('four', () => received.length === 4);
      follow.stop();
      assert.deepEqual(received, ['1', '2', '3', 'again']);
    });
  });
}
