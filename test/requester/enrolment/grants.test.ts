// What approved nodes may do besides: it comes with the approval, goes with it, and no event tells of it before.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { writeJson } from '../../../agent/protocol/json.ts';
import type { KeyPair } from '../../../agent/transport/key-pair.ts';
import { listClientsAs } from '../../support/callout-questions.ts';
import type { FakeConnection } from '../../support/fake-connection.ts';
import { newKey } from '../../support/raw-client.ts';
import { computeInfo, sender } from '../samples.ts';
import { begin, nodeName } from './gate.ts';

const approved = { publish: ['results.{nodeId}', 'shared'], subscribe: ['work.{nodeId}.>'] };

const register = (witness: FakeConnection, id: string, { publicKey }: KeyPair) =>
  witness.request(
    `node.management.${id}.RegisterNode/v1`,
    writeJson({ Info: computeInfo(id), Muster: sender() }),
    5_000,
    `_INBOX.${publicKey}.1`,
  );

/** A requester that opens subjects for approved nodes, and a node that is connected and PENDING. */
async function open(options = { approved }) {
  const key = newKey();
  const gate = await begin({ 'node-1': key }, options);
  const { start, ask, answers, fixture, witness } = gate;
  /** Connects the node, and returns what it may do besides. */
  const connect = async (connection: number) => {
    const reply = ask({ key, name: nodeName('node-1'), connection });
    await fixture.clock.settle();
    const { publish = [], subscribe = [] } = answers.get(reply) ?? {};
    return [...publish.slice(4), ...subscribe.slice(3)];
  };
  await start();
  const first = await connect(11);
  await fixture.finish(register(witness, 'node-1', key));
  return { ...gate, key, connect, first };
}

const all = ['results.node-1', 'shared', 'work.node-1.>'];

describe('subjects for approved nodes', () => {
  test('are open from the approval to the rejection: the connection is ended each time, and then the event comes', async () => {
    const { fixture, witness, kicked, connect, first } = await open();
    assert.deepEqual(first, []);
    assert.deepEqual(kicked, []);
    const order: string[] = [];
    witness.subscribe('node.events.node-1.*', ({ subject }) => void order.push(subject));
    witness.subscribe('$SYS.REQ.SERVER.*.KICK', () => void order.push('kick'));
    await fixture.approve('node-1');
    assert.deepEqual(kicked, [11]);
    assert.deepEqual(await connect(12), all);
    await fixture.reject('node-1');
    assert.deepEqual(kicked, [11, 12]);
    assert.deepEqual(await connect(13), []);
    assert.deepEqual(order, ['kick', 'node.events.node-1.approved', 'kick', 'node.events.node-1.rejected']);
  });

  test('stay open at a restart of the agent, and close with the node', async () => {
    const { fixture, kicked, connect } = await open();
    await fixture.approve('node-1');
    assert.deepEqual(await connect(12), all);
    assert.deepEqual(await connect(14), all);
    await fixture.delete('node-1');
    assert.deepEqual(kicked, [11, 12, 14]);
  });

  test('cost no connection where nothing is opened', async () => {
    const { fixture, kicked } = await open({ approved: { publish: [], subscribe: [] } });
    await fixture.approve('node-1');
    await fixture.reject('node-1');
    assert.deepEqual(kicked, []);
  });

  test('that a decision changed while the connection could not be ended are changed when the broker answers again', async () => {
    const { fixture, witness, kicked, connect, key, names } = await open();
    await fixture.approve('node-1');
    assert.deepEqual(await connect(12), all);
    const listed = names.at(-1) ?? '';
    // The broker that is connected again lists a client with the grant, although the node was rejected meanwhile.
    const connections = () => (kicked.length < 3 ? [client] : []);
    const client = { cid: 12, ip: '192.0.2.1', name: nodeName('node-1'), authorized_user: listed };
    listClientsAs(witness, connections);
    await fixture.reject('node-1');
    fixture.connection.drop();
    fixture.connection.regain();
    await fixture.clock.advance(1_000);
    assert.deepEqual(kicked, [11, 12, 12]);
    assert.match(listed, new RegExp(`^${key.userKey} \\S{16}$`));
  });
});
