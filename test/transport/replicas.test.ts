// Streams on a real cluster of three nats-servers: they are born on all three, an update leaves them there, and a cluster
// that does not find a stream which was there before is not believed.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect, ErrorCode, headers, NatsError } from 'nats';
import type { Connection, Storage, StreamConfig } from '../../agent/transport/port.ts';
import { bytes, connectTo, text } from '../support/connections.ts';
import { eventually } from '../support/eventually.ts';
import { recordLog } from '../support/log-lines.ts';
import { NatsCluster } from '../support/nats-cluster.ts';
import { startNatsServer } from '../support/nats-server.ts';

let cluster: NatsCluster;
before(async () => {
  cluster = await NatsCluster.start();
});
after(() => cluster?.release());

async function open(options = {}): Promise<{ connection: Connection; storage: Storage }> {
  const connection = connectTo(cluster.urls, options);
  await connection.connected();
  return { connection, storage: await connection.storage() };
}

async function api(connection: Connection, method: string, body: object = {}) {
  const { data } = await connection.request(`$JS.API.${method}`, JSON.stringify(body), 10_000);
  return JSON.parse(text(data)) as { config?: Record<string, unknown>; error?: unknown };
}

const events = (subjects: string[]): StreamConfig => ({
  name: 'EVENTS',
  subjects,
  maxAgeMs: 0,
  maxBytes: 64 * 1024 ** 2,
});

test('a bucket and a stream are born on three servers, and an update leaves the stream there', async () => {
  const { connection, storage } = await open();
  const bucket = await storage.bucket({ name: 'born', history: 1 });
  assert.equal(await bucket.put('k', bytes('v'), 0), 1);
  await storage.stream(events(['events.*']));
  await storage.stream(events(['events.*', 'more']));
  const { config } = await api(connection, 'STREAM.INFO.EVENTS');
  assert.deepEqual([config?.num_replicas, config?.subjects], [3, ['events.*', 'more']]);
  await eventually('each server has the bucket', async () => {
    const found = await storage.replicas('KV_born');
    return found?.replicas === 3 && found.others.length === 2 && found.others.every(each => each.isCurrent);
  });
  assert.match((await storage.replicas('KV_born'))?.leader ?? '', /^s[012]$/);
});

test('a stream that others made on one server stays there at an update', async () => {
  const { connection, storage } = await open();
  await api(connection, 'STREAM.CREATE.LONE', { name: 'LONE', subjects: ['lone'], num_replicas: 1 });
  await storage.stream({ ...events(['lone', 'lone.*']), name: 'LONE' });
  const { config } = await api(connection, 'STREAM.INFO.LONE');
  assert.deepEqual([config?.num_replicas, config?.subjects], [1, ['lone', 'lone.*']]);
  const replicas = await storage.replicas('LONE');
  assert.deepEqual([replicas?.replicas, replicas?.others], [1, []]);
});

test('a stream that was there before is not made again, and one that never was is', async () => {
  const { connection, storage } = await open();
  const bucket = await storage.bucket({ name: 'gone', history: 1 });
  await bucket.put('k', bytes('v'), 0);
  await api(connection, 'STREAM.DELETE.KV_gone');
  const missing = {
    fault: 'store_missing',
    message: /does not find the stream KV_gone, which was there before/,
  };
  await assert.rejects(bucket.put('k', bytes('v'), 1), missing);
  await assert.rejects(bucket.state(), missing);
  await assert.rejects(storage.bucket({ name: 'gone', history: 1, isKnown: true }), missing);
  await assert.rejects(storage.stream({ ...events(['x']), name: 'GONE', isKnown: true }), {
    fault: 'store_missing',
  });
  await storage.bucket({ name: 'gone', history: 1 });
});

test('a bucket is not made where the stream is there that is made after it', async () => {
  const { connection, storage } = await open();
  const config = { name: 'first', history: 1, precedes: 'SECOND' } as const;
  await storage.bucket(config);
  await storage.stream({ ...events(['second']), name: 'SECOND' });
  await api(connection, 'STREAM.DELETE.KV_first');
  await assert.rejects((await open()).storage.bucket(config), {
    fault: 'store_missing',
    message: /does not find the stream KV_first, which was there before/,
  });
  await api(connection, 'STREAM.DELETE.SECOND');
  await storage.bucket(config);
});

test('a bucket that was restored is the same whichever server leads it, although they say different times of creation', async () => {
  const { connection, storage } = await open();
  const bucket = await storage.bucket({ name: 'moved', history: 1 });
  await bucket.put('k', bytes('v'), 0);
  const copying = connectTo(cluster.urls);
  await copying.connected();
  const copies = await copying.copies();
  const chunks: Uint8Array[] = [];
  const copy = await copies.snapshot('KV_moved', async chunk => void chunks.push(Buffer.from(chunk)));
  await copies.remove('KV_moved');
  const stored = async function* () {
    yield* chunks;
  };
  const before = (await copies.restore(copy, stored())).created;
  const passes: boolean[] = [];
  const watch = await bucket.watch(() => undefined, { begin: ({ lost }) => void passes.push(lost) });
  await watch.ready;
  const times = new Set<string>();
  // While the servers choose a leader, nobody answers.
  const ask = (method: string) =>
    connection.request(`$JS.API.${method}`, '{}', 5_000).then(
      ({ data }) => JSON.parse(text(data)) as { created?: string },
      () => undefined,
    );
  await eventually(
    'two servers have led it',
    async () => {
      const info = await ask('STREAM.INFO.KV_moved');
      // A leader that is about to be chosen is left alone.
      if (!info?.created) return false;
      times.add(info.created);
      if (times.size < 2) await ask('STREAM.LEADER.STEPDOWN.KV_moved');
      return times.size > 1;
    },
    120_000,
  );
  const isThere = ({ lastRevision }: { lastRevision: number }) => lastRevision === 1;
  await eventually('it has a leader', () => bucket.state().then(isThere, () => false), 120_000);
  watch.restart();
  await eventually('it was read again', () => passes.length > 1, 120_000);
  assert.deepEqual([passes, (await bucket.state()).created], [[false, false], before]);
  watch.stop();
});

test('with two servers one of them stores a stream, and the log says so', async t => {
  const pair = await NatsCluster.start(2);
  t.after(() => pair.release());
  const { log, lines } = recordLog();
  const connection = connectTo(pair.urls, { log });
  await connection.connected();
  const storage = await connection.storage();
  await storage.bucket({ name: 'pair', history: 1 });
  const found = await storage.replicas('KV_pair');
  assert.deepEqual([found?.replicas, found?.servers], [1, 2]);
  assert.match(lines.find(({ level }) => level === 'warn')?.message ?? '', /fewer than three servers/);
});

test('a single server has one replica, says nothing of a cluster, and makes a lost bucket again', async t => {
  const single = await startNatsServer();
  t.after(() => single.release());
  const { log, lines } = recordLog();
  const connection = connectTo(single.url, { log });
  await connection.connected();
  const storage = await connection.storage();
  const bucket = await storage.bucket({ name: 'one', history: 1, isKnown: true });
  await bucket.put('k', bytes('v'), 0);
  assert.equal(await storage.replicas('KV_one'), undefined);
  await api(connection, 'STREAM.DELETE.KV_one');
  assert.equal(await bucket.put('k', bytes('v'), 0), 1);
  assert.deepEqual(
    lines.filter(({ level }) => level === 'warn'),
    [],
  );
});

test('a write that meets another one which is under way waits until that one stands', async () => {
  const { storage } = await open();
  await storage.bucket({ name: 'waits', history: 1 });
  let count = 0;
  await eventually('two writes have met', () => meet(storage, `k${count++}`), 120_000);
});

/** Has two writes of a key meet. Returns false when another server led then, as it happens while the machine is busy. */
async function meet(storage: Storage, key: string): Promise<boolean> {
  const found = await storage.replicas('KV_waits');
  if (found?.others.length !== 2 || !found.others.every(each => each.isCurrent)) return false;
  const leader = cluster.indexOf(found.leader ?? '');
  const others = [0, 1, 2].filter(index => index !== leader).map(index => cluster.server(index));
  const atLeader = connectTo([cluster.server(leader).url]);
  await atLeader.connected();
  const ofLeader = await (await atLeader.storage()).bucket({ name: 'waits', history: 1 });
  const link = await connect({ servers: cluster.server(leader).url });
  const expected = headers();
  expected.set('Nats-Expected-Last-Subject-Sequence', '0');
  const subject = `$KV.waits.${key}`;
  const isRefused = async () => {
    const answer = await link
      .request(subject, 'no', { headers: expected, timeout: 5_000 })
      .catch(ignoreTimeout);
    return answer?.json<{ error?: { err_code?: number } }>().error?.err_code === 10_164;
  };
  try {
    for (const each of others) each.pause();
    link.publish(subject, 'first', { headers: expected });
    if (!(await isRefused())) return false;
    let fault: string | undefined;
    const writing = ofLeader.put(key, bytes('second'), 0).catch(error => {
      fault = error.fault;
    });
    for (let count = 0; count < 20; count++) if (!(await isRefused())) return false;
    assert.equal(fault, undefined, 'it is not known yet whether the first one stands');
    for (const each of others) each.resume();
    await writing;
    assert.equal(fault, 'revision_conflict');
    assert.equal(text((await ofLeader.get(key))?.value ?? bytes('')), 'first');
    return true;
  } finally {
    for (const each of others) each.resume();
    await link.close();
  }
}

function ignoreTimeout(error: unknown): undefined {
  if (!(error instanceof NatsError) || error.code !== ErrorCode.Timeout) throw error;
}
