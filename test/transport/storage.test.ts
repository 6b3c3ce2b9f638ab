// Tests storage on a real broker: Bacalhau's layout, streams of other programs, faults, and order under load.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { BucketEntry, Connection, Storage } from '../../agent/transport/port.ts';
import { bytes, connectTo, stateOf, text } from '../support/connections.ts';
import { eventually } from '../support/eventually.ts';
import { recordLog } from '../support/log-lines.ts';
import { startNatsServer } from '../support/nats-server.ts';

const server = await startNatsServer();
after(() => server.release());

async function open(url = server.url, options = {}): Promise<{ connection: Connection; storage: Storage }> {
  const connection = connectTo(url, options);
  await connection.connected();
  return { connection, storage: await connection.storage() };
}

async function api(
  connection: Connection,
  method: string,
  body: object = {},
): Promise<Record<string, unknown>> {
  const answer = await connection.request(`$JS.API.${method}`, JSON.stringify(body), 5_000);
  return JSON.parse(text(answer.data)) as Record<string, unknown>;
}

/** Returns what nats.go's CreateKeyValue sends when it gets only a name, as in Bacalhau. */
const bacalhauBucket = (name: string) => ({
  name: `KV_${name}`,
  subjects: [`$KV.${name}.>`],
  retention: 'limits',
  max_consumers: -1,
  max_msgs: -1,
  max_bytes: -1,
  discard: 'new',
  max_age: 0,
  max_msgs_per_subject: 1,
  max_msg_size: -1,
  storage: 'file',
  num_replicas: 1,
  duplicate_window: 120_000_000_000,
  deny_delete: true,
  allow_rollup_hdrs: true,
  compression: 'none',
  allow_direct: true,
  mirror_direct: false,
  consumer_limits: {},
});

test('Bacalhau opens a bucket of muster, and muster opens one of Bacalhau', async () => {
  const { connection, storage } = await open();
  await storage.bucket({ name: 'node_v1', history: 1 });
  const opened = await api(connection, 'STREAM.CREATE.KV_node_v1', bacalhauBucket('node_v1'));
  assert.equal(opened.error, undefined, 'the broker takes the same configuration only');
  assert.notEqual(
    (await api(connection, 'STREAM.CREATE.KV_node_v1', { ...bacalhauBucket('node_v1'), deny_delete: false }))
      .error,
    undefined,
  );
  await api(connection, 'STREAM.CREATE.KV_theirs', bacalhauBucket('theirs'));
  const theirs = await storage.bucket({ name: 'theirs', history: 1 });
  assert.equal(await theirs.put('node-1', bytes('v'), 0), 1);
});

test('a bucket with another suitable configuration is opened', async () => {
  const { connection, storage } = await open();
  const config = {
    ...bacalhauBucket('roomy'),
    max_msgs_per_subject: 5,
    deny_delete: false,
    allow_direct: false,
  };
  await api(connection, 'STREAM.CREATE.KV_roomy', config);
  const bucket = await storage.bucket({ name: 'roomy', history: 1 });
  const first = await bucket.put('k', bytes('1'), 0);
  await bucket.put('k', bytes('2'), first);
  assert.equal(text((await bucket.get('k'))?.value ?? bytes('')), '2');
  const told: string[] = [];
  const watch = await bucket.watch(entry => told.push(text(entry.value)));
  await watch.ready;
  watch.stop();
  assert.deepEqual(told, ['2']);
});

test('keys and markers of other clients are read', async () => {
  const { connection, storage } = await open();
  const bucket = await storage.bucket({ name: 'foreign', history: 1 });
  const key = 'A-z_0/9=x.y';
  await connection.request(`$KV.foreign.${key}`, 'theirs', 5_000);
  const entry = await bucket.get(key);
  assert.deepEqual([entry?.key, text(entry?.value ?? bytes(''))], [key, 'theirs']);
  await bucket.purge(key, entry?.revision ?? 0, {});
  for (const bad of ['', 'a b', 'a.', '.a', 'a..b', 'a*', '>', 'é', 'a\r\n'])
    await assert.rejects(
      async () => bucket.put(bad, bytes(''), 0),
      { fault: 'refused' },
      JSON.stringify(bad),
    );
});

test('a stream that is not a bucket is refused', async () => {
  const { connection, storage } = await open();
  await api(connection, 'STREAM.CREATE.KV_other', { ...bacalhauBucket('other'), subjects: ['other.>'] });
  await assert.rejects(storage.bucket({ name: 'other', history: 1 }), {
    name: 'BrokerError',
    fault: 'refused',
    message: 'the broker has a stream KV_other that is not a key-value bucket: remove or rename it',
  });
});

test('a broker that stores nothing is refused with a sentence that says so', async t => {
  const bare = await startNatsServer({ jetstream: false });
  t.after(() => bare.release());
  const { storage } = await open(bare.url);
  const message = 'the broker stores nothing: enable JetStream on it and for the account of muster';
  await assert.rejects(storage.bucket({ name: 'x', history: 1 }), { fault: 'refused', message });
  await assert.rejects(storage.stream({ name: 'X', subjects: ['x'], maxAgeMs: 0, maxBytes: 0 }), { message });
});

test('a store that does not answer causes a timeout, and one without a broker is disconnected', async t => {
  const broker = await startNatsServer();
  t.after(() => broker.release());
  // Long enough that the bucket and the stream are made in time on a busy machine.
  const { connection, storage } = await open(broker.url, { storeTimeoutMs: 3_000 });
  const bucket = await storage.bucket({ name: 'slow', history: 1 });
  const stream = await storage.stream({ name: 'SLOW', subjects: ['slow.>'], maxAgeMs: 0, maxBytes: -1 });
  const all = [
    () => bucket.get('k'),
    () => bucket.put('k', bytes('v'), 0),
    () => bucket.purge('k', 0, {}),
    () => bucket.watch(() => undefined),
    () => storage.bucket({ name: 'slow', history: 1 }),
    () => stream.publish('slow.x', '', 'id'),
    () => stream.lastPerSubject(['slow.>'], () => undefined),
    () => stream.follow({ filter: 'slow.>' }, () => undefined),
  ];
  broker.pause();
  await Promise.all(all.map(each => assert.rejects(each, { name: 'BrokerError', fault: 'timeout' })));
  await broker.kill();
  await stateOf(connection, 'disconnected');
  await Promise.all(all.map(each => assert.rejects(each, { name: 'BrokerError', fault: 'disconnected' })));
});

test('a bucket that another client deletes is noticed without a reconnection', async () => {
  const { connection, storage } = await open();
  const bucket = await storage.bucket({ name: 'deleted', history: 1 });
  const revision = await bucket.put('k', bytes('v'), 0);
  const passes: boolean[] = [];
  const watch = await bucket.watch(() => undefined, { begin: ({ lost }) => passes.push(lost) });
  await watch.ready;
  await api(connection, 'STREAM.DELETE.KV_deleted');
  await assert.rejects(bucket.put('k', bytes('w'), revision), { fault: 'revision_conflict' });
  await eventually('a pass', () => passes.length === 2);
  watch.stop();
  assert.deepEqual(passes, [false, true]);
});

test('under load and through crashes a watcher misses nothing, and sees the revisions of each key in order', async t => {
  const broker = await startNatsServer();
  t.after(() => broker.release());
  const { connection, storage } = await open(broker.url);
  const bucket = await storage.bucket({ name: 'load', history: 1 });
  const seen = new Map<string, BucketEntry>();
  const faults: string[] = [];
  const inPass = new Map<string, number>();
  const watch = await bucket.watch(
    entry => {
      const before = inPass.get(entry.key) ?? 0;
      if (entry.revision < before) faults.push(`${entry.key} went back from ${before} to ${entry.revision}`);
      inPass.set(entry.key, entry.revision);
      seen.set(entry.key, entry);
    },
    { begin: () => inPass.clear() },
  );
  await watch.ready;

  const write = async (key: string): Promise<void> => {
    for (let round = 0; round < 40; ) {
      // After any failure, the record is read again and its content decides, as in the requester.
      try {
        const { revision = 0, value = bytes('0') } = (await bucket.get(key)) ?? {};
        round = Number(text(value)) + 1;
        await bucket.put(key, bytes(String(round)), revision);
      } catch {
        await connection.connected();
      }
    }
  };
  const writers = Promise.all(Array.from({ length: 20 }, (_, index) => write(`node-${index}`)));
  for (let crash = 0; crash < 3; crash++) {
    const mark = [...seen.values()].reduce((sum, entry) => sum + Number(text(entry.value)), 0);
    await eventually('some writes', () => {
      const now = [...seen.values()].reduce((sum, entry) => sum + Number(text(entry.value)), 0);
      return now > mark + 50 || now === 800;
    });
    await broker.kill();
    await broker.start();
  }
  await writers;
  await eventually(
    'everything is seen',
    () => [...seen.values()].filter(entry => text(entry.value) === '40').length === 20,
  );
  watch.stop();
  assert.deepEqual(faults, []);
});

test('a watch of many keys is complete', async () => {
  const { storage } = await open();
  const bucket = await storage.bucket({ name: 'many', history: 1 });
  const keys = Array.from({ length: 3_000 }, (_, index) => `node-${index}`);
  for (let from = 0; from < keys.length; from += 500)
    await Promise.all(keys.slice(from, from + 500).map(key => bucket.put(key, bytes('x'.repeat(500)), 0)));
  const seen = new Set<string>();
  const watch = await bucket.watch(entry => seen.add(entry.key));
  await watch.ready;
  watch.stop();
  assert.equal(seen.size, keys.length);
});

test('a watcher that throws still gets the next entry', async () => {
  const { log, lines } = recordLog();
  const { storage } = await open(server.url, { log });
  const bucket = await storage.bucket({ name: 'throws', history: 1 });
  const told: string[] = [];
  const watch = await bucket.watch(entry => {
    told.push(entry.key);
    if (entry.key === 'bad') throw new Error('cannot decode');
  });
  await bucket.put('bad', bytes('{'), 0);
  await bucket.put('good', bytes('{}'), 0);
  await eventually('both', () => told.length === 2);
  watch.stop();
  assert.equal(lines.filter(line => line.message === 'a stored message could not be handled').length, 1);
});

test('stopping a watch ends every wait', async () => {
  const { storage } = await open();
  const bucket = await storage.bucket({ name: 'stopped', history: 1 });
  await bucket.put('k', bytes('v'), 0);
  const watch = await bucket.watch(() => undefined);
  watch.stop();
  const end = await watch.ready.then(
    () => 'ready before it was stopped',
    (error: { fault?: unknown }) => error.fault,
  );
  assert.ok(end === 'ready before it was stopped' || end === 'disconnected', String(end));
});

test('an existing event stream is changed to its configuration', async () => {
  const { connection, storage } = await open();
  const config = { name: 'GROWS', subjects: ['grows.a.>'], maxAgeMs: 3_600_000, maxBytes: 16_777_216 };
  const stream = await storage.stream(config);
  await stream.publish('grows.a.x', '1', '1');
  const wider = {
    ...config,
    subjects: ['grows.a.>', 'grows.b.>'],
    maxAgeMs: 7_200_000,
    maxBytes: 33_554_432,
  };
  await (await storage.stream(wider)).publish('grows.b.x', '2', '2');
  const info = await api(connection, 'STREAM.INFO.GROWS');
  const { subjects, max_age, max_bytes } = info.config as Record<string, unknown>;
  assert.deepEqual([subjects, max_age, max_bytes], [wider.subjects, 7_200_000 * 1e6, 33_554_432]);
  assert.equal((info.state as { messages: number }).messages, 2, 'nothing was lost by it');
});

test('an event stream is refused when another stream has its subjects', async () => {
  const { storage } = await open();
  const config = { subjects: ['taken.>'], maxAgeMs: 0, maxBytes: -1 };
  await storage.stream({ ...config, name: 'FIRST' });
  await assert.rejects(storage.stream({ ...config, name: 'SECOND' }), {
    fault: 'refused',
    message: /overlap/,
  });
});

test('a broker with little space keeps fewer events', async t => {
  const small = await startNatsServer({
    jetstream: false,
    config: `jetstream { store_dir: "${server.folder}/small", max_file: 100MB }`,
  });
  t.after(() => small.release());
  const { log, lines } = recordLog();
  const { connection, storage } = await open(small.url, { log });
  const config = { name: 'NODE_EVENTS', subjects: ['node.events.>'], maxAgeMs: 0, maxBytes: 1_073_741_824 };
  await storage.stream(config);
  await (await storage.stream(config)).publish('node.events.x', '', '1');
  const { max_bytes } = (await api(connection, 'STREAM.INFO.NODE_EVENTS')).config as { max_bytes: number };
  assert.equal(max_bytes, 67_108_864);
  assert.equal(lines.filter(line => /little space/.test(line.message)).length, 1);
});

test('closing the connection ends its watches and every wait', async t => {
  const broker = await startNatsServer();
  t.after(() => broker.release());
  const { connection, storage } = await open(broker.url);
  const bucket = await storage.bucket({ name: 'closing', history: 1 });
  const told: string[] = [];
  const watch = await bucket.watch(entry => told.push(entry.key));
  await watch.ready;
  const writer = await open(broker.url);
  await connection.close();
  await (await writer.storage.bucket({ name: 'closing', history: 1 })).put('k', bytes('v'), 0);
  assert.deepEqual(told, []);
  await assert.rejects(bucket.get('k'), { fault: 'disconnected' });
});
