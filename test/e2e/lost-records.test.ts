// The records are lost while the events stay: no later event is suppressed by an earlier one, and no id means two events.
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connect as connectRaw, headers } from 'nats';
import { eventSubject } from '../../agent/protocol/subjects.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { Fleet } from '../support/fleet.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';

describe('an event of a store that lost its records', () => {
  let broker: NatsServer;
  let cluster: Cluster;
  const node = 'fleet-0';

  before(async () => {
    broker = await startNatsServer();
    cluster = await Cluster.create({ servers: broker.url });
    await cluster.requester();
  });

  after(async () => {
    await cluster.release();
    await broker.release();
  });

  /** Registers the node as a new one and decides about it. */
  const registerAnd = async (action: 'approve' | 'reject') => {
    const fleet = await Fleet.connect(broker.url, 1);
    fleet.registerAll();
    await eventually('the node is registered', () => fleet.sessions.has(node));
    await fleet.close();
    await cluster.decide(node, action);
  };
  /** Accepts the loss of the node's record, which otherwise waits for an operator. */
  const acceptLoss = async () => {
    await eventually('the loss is known', async () => (await cluster.status()).nodes?.lost === 1);
    await cluster.decide(node, 'delete');
  };
  const idsOf = async () =>
    (await cluster.events()).filter(({ subject }) => subject === node).map(({ id }) => id);

  it('is announced, although its revision was given before, and has an id of its own', async () => {
    const expected = ['registered', 'approved'];
    await registerAnd('approve');
    await eventually('the first events', async () => (await cluster.kindsOf(node)).length === 2);

    const raw = await connectRaw({ servers: broker.url });
    await raw.request('$JS.API.STREAM.DELETE.KV_node_v1', '', { timeout: 30_000 });
    await raw.close();
    await acceptLoss();
    await registerAnd('reject');
    expected.push('deleted', 'registered', 'rejected');
    await eventually('the events after a delete', async () => (await cluster.kindsOf(node)).length === 5);

    await broker.kill();
    await rm(join(broker.folder, 'store/jetstream/$G/streams/KV_node_v1'), { recursive: true });
    await broker.start();
    await acceptLoss();
    await registerAnd('approve');
    expected.push('deleted', 'registered', 'approved');
    await eventually(
      'the events after the loss of files',
      async () => (await cluster.kindsOf(node)).length === 8,
    );
    assert.deepEqual(await cluster.kindsOf(node), expected);
    const ids = await idsOf();
    assert.equal(new Set(ids).size, ids.length, ids.join(' '));
  });

  it('is announced, although another program published under its id first', async () => {
    const [id = ''] = (await idsOf()).slice(-1);
    const next = id.replace(/\d+$/, revision => String(Number(revision) + 1));
    const raw = await connectRaw({ servers: broker.url });
    const fields = headers();
    fields.set('Nats-Msg-Id', next);
    await raw.request(eventSubject('stranger', 'rejected'), '{}', { headers: fields, timeout: 30_000 });
    await raw.close();
    await cluster.decide(node, 'reject');
    await eventually('it is announced', async () => (await idsOf()).includes(next));
  });
});
