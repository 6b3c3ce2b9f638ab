// A new requester finds a store of a cluster whose streams are partly away, as in the middle of a move that was killed: it makes
// none. And it names streams whose number of servers somebody else has changed in place.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { clusterBucket } from '../../agent/requester/cluster/cluster-bucket.ts';
import { madeStreamsKey, readMadeOn } from '../../agent/requester/made-streams.ts';
import { storedStreams } from '../../agent/requester/stored-streams.ts';
import { ApiError, apiErrors } from '../../agent/transport/jetstream.ts';
import { BrokerError, type CopyingConnection, type StreamCopies } from '../../agent/transport/port.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/listener.ts';
import { NatsCluster } from '../support/nats-cluster.ts';
import { startConnection } from '../support/open-connection.ts';
import { muster } from '../support/program.ts';
import { OneOfTwo } from '../support/two-requesters.ts';

/**
 * Returns whether a server gave a restore up: it waits for each part for 5 s. Then nobody takes the next part or says what became
 * of the last one, or the server says that the restore failed.
 */
const isGivenUp = (error: unknown): boolean =>
  error instanceof BrokerError &&
  (['no_responders', 'timeout'].includes(error.fault) ||
    (error instanceof ApiError && error.code === apiErrors.restoreFailed));

describe('the store of a cluster', () => {
  let nats: NatsCluster;
  let cluster: Cluster;
  let one: OneOfTwo;
  let connection: CopyingConnection;
  let copies: StreamCopies;

  before(async () => {
    nats = await NatsCluster.start();
    cluster = await Cluster.create({ servers: nats.urls.join(',') });
    connection = startConnection(nats.urls);
    await connection.connected();
    copies = await connection.copies();
    one = new OneOfTwo(cluster, 'node-0', cluster.apiPort);
    await one.start();
  });
  after(async () => {
    await connection?.close(0);
    await cluster?.release();
    await nats?.release();
  });

  const madeOn = async () => {
    const bucket = await (await connection.storage()).bucket(clusterBucket);
    return [...readMadeOn(await bucket.get(madeStreamsKey)).values()];
  };
  const troubles = async (of: OneOfTwo) =>
    (await of.status().catch(() => undefined))?.troubles?.map(({ code }) => code) ?? [];
  const store = async (...args: string[]) => {
    const done = await muster(['store', ...args, '--config', join(cluster.folder, 'node-0-requester.yaml')]);
    assert.equal(done.code, 0, done.stderr);
    return done.stdout;
  };

  it('gets no empty stream from a new requester while one of its streams is away', async () => {
    await eventually('the streams are noted', async () => (await madeOn()).join() === '3,3,3');
    const clusterId = (await one.status()).clusterId;
    await one.program?.stop();
    for (const [at, name] of storedStreams.entries()) {
      const chunks: Uint8Array[] = [];
      const copy = await copies.snapshot(name, async chunk => void chunks.push(Buffer.from(chunk)));
      await copies.remove(name);
      const newcomer = new OneOfTwo(cluster, `node-${at + 1}`, await freePort());
      const port = { 'api.port': newcomer.port };
      newcomer.program = await cluster.requester(port, { id: newcomer.id, wait: false });
      await eventually(`a new requester misses ${name}`, async () =>
        (await troubles(newcomer)).includes('store_missing'),
      );
      assert.equal(await copies.counts(name), undefined);
      const stored = async function* () {
        yield* chunks;
      };
      await eventually(`${name} is back`, () =>
        copies.restore(copy, stored()).then(
          () => true,
          error => {
            if (isGivenUp(error)) return false;
            throw error;
          },
        ),
      );
      await newcomer.program.untilPrinted(/the requester is ready/);
      assert.equal((await newcomer.status()).clusterId, clusterId);
      await newcomer.program.stop();
    }
    await one.start();
  });

  it('is named when its number of servers was changed in place, until a move has made it anew', async () => {
    await store('lower', '--yes');
    assert.deepEqual(await madeOn(), [1, 1, 1]);
    const info = await connection.request('$JS.API.STREAM.INFO.KV_node_v1', '', 30_000);
    const { config } = JSON.parse(Buffer.from(info.data).toString()) as { config: object };
    const raised = JSON.stringify({ ...config, num_replicas: 3 });
    await connection.request('$JS.API.STREAM.UPDATE.KV_node_v1', raised, 30_000);
    await eventually('the requester says so', async () => (await troubles(one)).includes('raised_in_place'));
    const trouble = (await one.status()).troubles?.find(({ code }) => code === 'raised_in_place');
    assert.match(trouble?.text ?? '', /in place: node_v1 from 1 to 3; .* can be lost$/);
    assert.match(trouble?.hint ?? '', /muster store raise --yes/);
    assert.match(
      await store('raise'),
      /^node_v1: \d+ messages, made anew on 3 servers, because they were changed in place$/m,
    );
    await store('raise', '--yes');
    assert.deepEqual(await madeOn(), [3, 3, 3]);
    await eventually('it is settled', async () => (await troubles(one)).length === 0);
  });
});
