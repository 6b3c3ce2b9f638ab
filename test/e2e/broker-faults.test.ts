// The roles survive a broker that starts last, is killed, hangs or loses its store.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { makeNatsServer, type NatsServer } from '../support/nats-server.ts';

describe('a broker that fails', () => {
  let broker: NatsServer;
  let cluster: Cluster;

  before(async () => {
    // The broker is stopped until the first test starts it, so that everything else starts before it.
    broker = await makeNatsServer();
    await broker.start();
    await broker.stop();
    cluster = await Cluster.create({ servers: broker.url });
  });

  after(async () => {
    await cluster.release();
    await broker.release();
  });

  it('may start after the requester and the agents, which wait for it', async () => {
    const requester = await cluster.requester({}, { wait: false });
    const agent = await cluster.agent('node-1', {}, { wait: false });
    await requester.untilPrinted(/cannot reach|unreachable|refused/i);
    await agent.untilPrinted(/cannot reach|unreachable|refused/i);
    const list = await cluster.command('node', 'list');
    assert.equal(list.code, 69);
    await broker.start();
    await cluster.until('node-1', 'PENDING HEALTHY');
  });

  it('may be killed and restarted: nothing is lost, no node registers again, and none is announced as silent', async () => {
    await cluster.agent('node-2');
    await cluster.until('node-2', 'PENDING HEALTHY');
    assert.equal((await cluster.command('node', 'approve', 'node-2')).stdout, 'Ok\n');
    const sentinel = await cluster.sentinel('node-2');
    // The event `updated` of the inventory may still come.
    const eventCount = async () =>
      (await cluster.events()).filter(event => !event.type.endsWith('updated')).length;
    await eventually('both are announced as healthy', async () => (await eventCount()) === 6);
    const events = await eventCount();
    await broker.kill();
    await eventually('the requester notices', async () => (await cluster.status()).state === 'degraded');
    await broker.start();
    await cluster.until('node-1', 'PENDING HEALTHY');
    await cluster.until('node-2', 'APPROVED HEALTHY');
    await eventually(
      'the requester trusts itself again',
      async () => (await cluster.status()).state === 'ready',
    );
    assert.equal((await cluster.sentinel('node-2'))?.session, sentinel?.session);
    assert.equal(await eventCount(), events);
  });

  it('may lose its store: every running agent registers again by itself', async () => {
    await broker.kill();
    await broker.wipe();
    await broker.start();
    await cluster.until('node-1', 'PENDING HEALTHY');
    await cluster.until('node-2', 'PENDING HEALTHY');
    await cluster.until('node-0', 'APPROVED UNKNOWN');
    // The cluster keeps its id, so that the sentinels of stopped agents stay valid.
    const status = await cluster.status();
    assert.equal((await cluster.sentinel('node-1'))?.cluster, status.clusterId);
    await eventually('events are stored again', async () =>
      (await cluster.kindsOf('node-1')).includes('registered'),
    );
  });

  it('may hang: registrations are retried, and a rejected node stays rejected', async () => {
    assert.equal((await cluster.command('node', 'reject', 'node-2', '-m', 'not now')).stdout, 'Ok\n');
    broker.pause();
    const late = await cluster.agent('node-3', {}, { wait: false });
    await late.untilPrinted(/the agent starts/);
    broker.resume();
    await cluster.until('node-3', 'PENDING HEALTHY');
    assert.match((await cluster.stateOf('node-2')) ?? '', /^REJECTED/);
  });
});
