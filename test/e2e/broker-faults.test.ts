// The roles survive a broker that starts last, is killed, hangs, loses its store, or has no space on its disk.
import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { makeNatsServer, type NatsServer } from '../support/nats-server.ts';
import { muster } from '../support/program.ts';
import { mountSmallDisk } from '../support/small-disk.ts';

describe('a broker that fails', () => {
  let broker: NatsServer;
  let cluster: Cluster;

  before(async () => {
    // The broker is stopped until the first test starts it, so that everything else starts before it.
    broker = await makeNatsServer();
    await broker.start();
    await broker.stop();
    // No silence is tested here, and the agents need some time until they are back.
    cluster = await Cluster.create({
      servers: broker.url,
      settings: { 'requester.nodeDisconnectedAfter': '10s', 'requester.nodeUnknownAfter': '20s' },
    });
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
    // The event `updated` of the inventory may still come, and a busy machine may have a condition for a while.
    const told = async () =>
      (await cluster.events())
        .filter(({ type }) => !/\.(updated|condition-raised|condition-cleared)$/.test(type))
        .map(({ subject, type }) => `${subject} ${type}`);
    await eventually('both are announced as healthy', async () => (await told()).length === 6);
    const before = await told();
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
    assert.deepEqual(await told(), before);
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
    // The roll has the node a moment before its agent has the answer.
    await eventually(
      'the agent is registered in the same cluster',
      async () => (await cluster.sentinel('node-1'))?.cluster === status.clusterId,
    );
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

describe("the requester's own broker", () => {
  it('recovers by itself from a full disk on which it is killed, and from a hang, and the status says what is wrong', async t => {
    // The hold of the requester, three times as long as the first of these times, must outlast the hang.
    const settings = { 'requester.nodeDisconnectedAfter': '10s', 'requester.nodeUnknownAfter': '20s' };
    const cluster = await Cluster.create({ settings });
    const released = new AsyncDisposableStack();
    t.after(() => released.disposeAsync());
    released.defer(() => cluster.release());
    const data = cluster.folderOf('node-0');
    await mkdir(data);
    const disk = await mountSmallDisk({ sizeKib: 40_960, at: data });
    if (!disk) return t.skip('only root can mount a small disk');
    released.defer(() => disk.release());
    const requester = await cluster.requester();
    released.defer(async () => void (await requester.stop()));
    await cluster.agent('node-1');
    const decide = async (action: string) => (await cluster.command('node', action, 'node-1')).code;
    const pid = async () => Number(await readFile(join(data, 'broker', 'nats-server.pid'), 'utf8'));
    assert.equal(await decide('approve'), 0);

    await disk.fill();
    process.kill(await pid(), 'SIGKILL');
    await requester.untilPrinted(/"the broker runs again"/);
    await eventually('the status names the disk', async () => {
      const { state, reason } = await cluster.status();
      return state === 'degraded' && /has no space left on .*node-0\/broker\/store$/.test(reason ?? '');
    });
    const { code, stdout } = await muster(['status', '--data-dir', data]);
    assert.equal(code, 1);
    assert.match(
      stdout.replaceAll(/\s+/g, ' '),
      /^requester node-0 trouble the broker's store has no space left on \S+ to do make room on the disk of \S+\/broker state degraded /,
    );
    await disk.makeRoom();
    assert.equal(await decide('reject'), 0);
    await eventually('the status is well', async () => (await cluster.status()).state === 'ready');

    const hanging = await pid();
    process.kill(hanging, 'SIGSTOP');
    await requester.untilPrinted(/"the broker has not answered for 12 s: it is ended and started again"/);
    const starts = () => requester.logged('the broker runs again').length;
    await eventually('it runs again', () => starts() === 2);
    await cluster.until('node-1', 'REJECTED HEALTHY');
    assert.notEqual(await pid(), hanging);
    assert.equal(await decide('approve'), 0);
    const { brokerRestarts } = await cluster.status();
    assert.equal(brokerRestarts?.count, 2);
    assert.match(brokerRestarts.last?.reason ?? '', /has not answered/);
    // The silence of a hanging broker is not the silence of a node.
    const kinds = await cluster.kindsOf('node-1');
    assert.deepEqual(
      kinds.filter(kind => kind === 'unhealthy' || kind === 'unknown'),
      [],
    );
  });
});
