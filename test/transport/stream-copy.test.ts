// Streams are copied and restored on a real nats-server, with faults in the middle.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '../../agent/system/clock.ts';
import { inGroups } from '../../agent/system/in-groups.ts';
import type { StorageConnection } from '../../agent/transport/jetstream.ts';
import {
  BrokerError,
  type CopyingConnection,
  type StreamCopies,
  type StreamCopy,
} from '../../agent/transport/port.ts';
import { openStreamCopies } from '../../agent/transport/stream-copy.ts';
import { bytes, text } from '../support/connections.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { startConnection } from '../support/open-connection.ts';

let server: NatsServer;
let other: NatsServer;
const connections: CopyingConnection[] = [];
before(async () => {
  server = await startNatsServer();
  other = await startNatsServer();
});
after(async () => {
  await Promise.all(connections.map(each => each.close(0)));
  await Promise.all([server.release(), other.release()]);
});

async function connectTo({ url }: NatsServer): Promise<CopyingConnection> {
  const connection = startConnection(url);
  connections.push(connection);
  await connection.connected();
  return connection;
}

/** Copies a stream into memory. */
async function take(copies: StreamCopies, stream: string): Promise<{ copy: StreamCopy; chunks: Buffer[] }> {
  const chunks: Buffer[] = [];
  const copy = await copies.snapshot(stream, async chunk => void chunks.push(Buffer.from(chunk)));
  return { copy, chunks };
}

async function* each(chunks: Buffer[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

/** Fills a bucket with `count` keys of 4 kB that do not compress, each written twice. */
async function fill(connection: CopyingConnection, name: string, count: number): Promise<void> {
  const bucket = await (await connection.storage()).bucket({ name, history: 1 });
  const value = () => crypto.getRandomValues(new Uint8Array(4_096));
  const keys = Array.from({ length: count }, (_, at) => `k${at}`);
  // A broker on a busy machine takes some time for each, and each has to be answered within the time for the store.
  await inGroups(keys, 100, async key => bucket.put(key, value(), await bucket.put(key, value(), 0)));
}

/** Returns a connection as the storage sees it. */
const storageOf = (connection: CopyingConnection) => connection as unknown as StorageConnection;

describe('a copy of a stream', () => {
  test('has the metadata of the stream, and not what the former server noted there', async () => {
    const from = await connectTo(server);
    await (await from.storage()).bucket({ name: 'noted', history: 1 });
    const copies = await from.copies();
    const { copy, chunks } = await take(copies, 'KV_noted');
    await copies.remove('KV_noted');
    const metadata = { '_nats.made.by': 'another version', owner: 'ops' };
    await copies.restore({ ...copy, config: { ...copy.config, metadata } }, each(chunks));
    const { config } = (await copies.snapshot('KV_noted', async () => undefined)) as {
      config: { metadata?: Record<string, string> };
    };
    assert.equal(config.metadata?.owner, 'ops');
    assert.ok(!Object.keys(config.metadata ?? {}).includes('_nats.made.by'));
  });

  test('brings messages, sequences, time of creation and durables to another server', async () => {
    const from = await connectTo(server);
    const bucket = await (await from.storage()).bucket({ name: 'copied', history: 1 });
    const first = await bucket.put('a', bytes('1'), 0);
    await bucket.put('a', bytes('2'), first);
    await bucket.purge('gone', await bucket.put('gone', bytes('x'), 0), { reason: 'test' });
    const stream = await (await from.storage()).stream({
      name: 'COPIED',
      subjects: ['copied.>'],
      maxAgeMs: 0,
      maxBytes: -1,
    });
    for (const at of [1, 2, 3]) await stream.publish(`copied.${at}`, `event ${at}`, `id-${at}`);
    await stream.ensureDurable({ name: 'reader', description: 'a reader', filter: '>' });
    const copies = await from.copies();
    const bucketCopy = await take(copies, 'KV_copied');
    const streamCopy = await take(copies, 'COPIED');
    const before = await copies.counts('KV_copied');

    const to = await connectTo(other);
    const target = await to.copies();
    assert.deepEqual(await target.restore(bucketCopy.copy, each(bucketCopy.chunks)), before);
    assert.equal((await target.restore(streamCopy.copy, each(streamCopy.chunks))).lastSequence, 3);
    const restored = await (await to.storage()).bucket({ name: 'copied', history: 1 });
    const entry = await restored.get('a');
    assert.equal(text(entry?.value ?? bytes('')), '2');
    assert.equal(entry?.revision, 2);
    assert.deepEqual((await restored.get('gone'))?.headers, { reason: 'test' });
    assert.deepEqual(await restored.state(), await bucket.state());
    const events = await (await to.storage()).stream({
      name: 'COPIED',
      subjects: ['copied.>'],
      maxAgeMs: 0,
      maxBytes: -1,
    });
    assert.deepEqual(
      (await events.durables('')).map(({ name, unread }) => [name, unread]),
      [['reader', 3]],
    );
    await target.removeMessage('COPIED', 3);
    await target.removeMessage('COPIED', 3);
    await target.removeMessage('COPIED', 99);
    const cut = await target.counts('COPIED');
    assert.deepEqual([cut?.messages, cut?.lastSequence], [2, 3]);
    await assert.rejects(target.restore(bucketCopy.copy, each(bucketCopy.chunks)), {
      fault: 'refused',
      message: /stream name already in use/,
    });
    assert.deepEqual(await restored.state(), await bucket.state());
    await target.remove('COPIED');
    await target.remove('COPIED');
    assert.equal(await target.counts('COPIED'), undefined);
  });

  test('of many chunks arrives whole, while the receiver is slow', async () => {
    const from = await connectTo(server);
    await fill(from, 'large', 2_500);
    const copies = await from.copies();
    const chunks: Buffer[] = [];
    const copy = await copies.snapshot('KV_large', async chunk => {
      if (chunks.length % 10 === 0) await new Promise(resolve => setTimeout(resolve, 5));
      chunks.push(Buffer.from(chunk));
    });
    assert.ok(chunks.length > 50, `${chunks.length} chunks`);
    const to = await connectTo(other);
    const counts = await (await to.copies()).restore(copy, each(chunks));
    assert.deepEqual([counts.messages, counts.lastSequence], [2_500, 5_000]);
    await (await to.copies()).remove('KV_large');
  });

  test('that is torn or changed leaves no stream behind', async () => {
    const from = await connectTo(server);
    await fill(from, 'torn', 200);
    const { copy, chunks } = await take(await from.copies(), 'KV_torn');
    const whole = Buffer.concat(chunks);
    const target = await (await connectTo(other)).copies();
    const damaged = Buffer.from(whole);
    damaged.fill(0, whole.length / 2, whole.length / 2 + 4_096);
    for (const broken of [whole.subarray(0, whole.length / 2), damaged, Buffer.from('no snapshot')]) {
      await assert.rejects(target.restore(copy, each([broken])), { fault: 'refused' });
      assert.equal(await target.counts('KV_torn'), undefined);
    }
    await assert.rejects(
      target.restore(
        copy,
        (async function* () {
          yield whole.subarray(0, 100_000);
          throw new Error('the disk cannot be read');
        })(),
      ),
      /the disk cannot be read/,
    );
    await eventually('the broker gave the first attempt up', async () =>
      target.restore(copy, each([whole])).then(
        () => true,
        () => false,
      ),
    );
    await target.remove('KV_torn');
  });

  test('that was given up in a cluster is over before the next one may begin, which would end with it', async () => {
    for (const isAnswered of [true, false]) {
      const clock = new FakeClock();
      const inUse = { error: { code: 500, err_code: 10_130, description: 'name in use' } };
      const missing = { error: { code: 404, err_code: 10_059, description: 'stream not found' } };
      const asked: string[] = [];
      const cluster = {
        storeTimeoutMs: 5_000,
        isClustered: true,
        requestRaw: async (subject: string) => {
          asked.push(subject.split('.').slice(3, 4).join());
          const isRestore = subject.includes('RESTORE');
          if (isRestore && !isAnswered) throw new BrokerError('timeout', 'no answer');
          return { data: bytes(JSON.stringify(isRestore ? inUse : missing)) };
        },
      } as unknown as StorageConnection;
      const copy: StreamCopy = { stream: 'KV_left', config: {}, state: {} };
      let isOver = false;
      const restored = openStreamCopies(cluster, clock)
        .restore(copy, each([]))
        .finally(() => {
          isOver = true;
        });
      const rejected = assert.rejects(restored, BrokerError);
      await clock.advance(6_000);
      assert.equal(isOver, false);
      await clock.advance(1_000);
      await rejected;
      assert.equal(asked.includes('DELETE'), isAnswered);
    }
  });

  test('is refused for a stream that does not exist', async () => {
    const copies = await (await connectTo(server)).copies();
    await assert.rejects(take(copies, 'KV_nothing'), { fault: 'refused', message: /stream not found/ });
  });

  test('ends with an error when the server dies, or a chunk is not taken', async () => {
    const from = await connectTo(server);
    await fill(from, 'dying', 2_500);
    const copies = await from.copies();
    const failed = new Error('the disk is full');
    await assert.rejects(
      copies.snapshot('KV_dying', () => Promise.reject(failed)),
      failed,
    );
    const doomed = await startNatsServer();
    try {
      const connection = await connectTo(doomed);
      await fill(connection, 'dying', 2_500);
      let chunks = 0;
      await assert.rejects(
        (await connection.copies()).snapshot('KV_dying', async () => {
          if (++chunks === 3) await doomed.kill();
        }),
        { fault: 'disconnected' },
      );
    } finally {
      await doomed.release();
    }
  });

  test('ends with an error when the server stops in the middle', async () => {
    const from = await connectTo(server);
    await fill(from, 'silent', 2_500);
    const copies = openStreamCopies(storageOf(from), systemClock, { chunk: 300, end: 300 });
    let chunks = 0;
    try {
      await assert.rejects(
        copies.snapshot('KV_silent', async () => {
          if (++chunks === 3) server.pause();
        }),
        { fault: 'timeout', message: /sent no more of KV_silent/ },
      );
    } finally {
      server.resume();
    }
  });

  test('is refused when a chunk is missing', async () => {
    const from = await connectTo(server);
    await fill(from, 'gap', 500);
    // Somebody else sends a chunk, with a number that does not follow.
    const storage = storageOf(from);
    const altered: StorageConnection = {
      storeTimeoutMs: storage.storeTimeoutMs,
      isClustered: false,
      link: storage.link,
      closed: false,
      onLink: fn => storage.onLink(fn),
      hurry: () => storage.hurry(),
      requestRaw: (subject, data, timeoutMs) => {
        const { deliver_subject: inbox } = JSON.parse(String(data));
        storage.link?.publish(inbox, bytes('chunk'), { reply: '$JS.SNAPSHOT.ACK.KV_gap.x.5.9' });
        return storage.requestRaw(subject, data, timeoutMs);
      },
    };
    await assert.rejects(take(openStreamCopies(altered, systemClock), 'KV_gap'), {
      fault: 'refused',
      message: /a part of KV_gap did not arrive/,
    });
  });

  test('ends with an error when the stream is removed in the middle', async () => {
    const from = await connectTo(server);
    await fill(from, 'removed', 2_500);
    const copies = openStreamCopies(storageOf(from), systemClock, { chunk: 500, end: 500 });
    let chunks = 0;
    await assert.rejects(
      copies.snapshot('KV_removed', async () => {
        if (++chunks === 3) await copies.remove('KV_removed');
      }),
      error => error instanceof BrokerError,
    );
  });
});
