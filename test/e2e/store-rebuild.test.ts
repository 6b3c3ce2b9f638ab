// The broker loses the records of nodes: the requester says so and decides nothing about them, until an operator has them
// written again.
import assert from 'node:assert/strict';
import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connect as connectRaw } from 'nats';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { muster, type Program } from '../support/program.ts';

describe('a store that lost records', () => {
  let broker: NatsServer;
  let cluster: Cluster;
  let requester: Program;
  const folder = () => join(broker.folder, 'store/jetstream/$G/streams/KV_node_v1');

  before(async () => {
    broker = await startNatsServer();
    cluster = await Cluster.create({ servers: broker.url });
    requester = await cluster.requester();
    for (const id of ['kept', 'refused', 'gone']) await cluster.agent(id);
    assert.equal((await cluster.command('node', 'approve', 'kept', '-m', 'ours')).stdout, 'Ok\n');
    assert.equal((await cluster.command('node', 'label', 'kept', 'rack=b7')).stdout, 'Ok\n');
    assert.equal((await cluster.command('node', 'label', 'kept', 'site=fra')).stdout, 'Ok\n');
    assert.equal((await cluster.command('node', 'cordon', 'kept', '-m', 'disk swap')).stdout, 'Ok\n');
    assert.equal((await cluster.command('node', 'reject', 'refused', '-m', 'not ours')).stdout, 'Ok\n');
    assert.equal((await cluster.command('node', 'delete', 'gone', '-m', 'sold')).stdout, 'Ok\n');
    await eventually(
      'the events are stored',
      async () =>
        (await cluster.kindsOf('gone')).includes('deleted') &&
        (await cluster.kindsOf('kept')).includes('cordoned'),
    );
  });

  after(async () => {
    await cluster.release();
    await broker.release();
  });

  const newestBlock = async () => {
    const names = (await readdir(join(folder(), 'msgs'))).filter(name => name.endsWith('.blk')).sort();
    return join(folder(), 'msgs', names.at(-1) ?? '');
  };
  const lost = async () => (await cluster.status()).nodes?.lost;

  /** Has the lost records written again, and checks that every node is what it was before. */
  const rebuild = async () => {
    const { code, stderr } = await cluster.command('store', 'rebuild');
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^Labels and cordons are back too, .*\n$/);
    await cluster.until('kept', 'APPROVED HEALTHY');
    const { Membership, Muster } = (await cluster.node('refused')) ?? {};
    assert.deepEqual([Membership, Muster?.Decision?.Reason], ['REJECTED', 'not ours']);
    const { Decision, Labels, Cordon } = (await cluster.node('kept'))?.Muster ?? {};
    assert.deepEqual(
      [Decision?.Reason, Labels, Cordon?.Reason],
      ['ours', { rack: 'b7', site: 'fra' }, 'disk swap'],
    );
    assert.equal(await cluster.node('gone'), undefined);
    await cluster.until('node-0', 'APPROVED UNKNOWN');
    await eventually('all is well', async () => (await cluster.status()).state === 'ready');
  };

  it('is noticed within seconds when the bucket is purged, and is shown', async () => {
    const raw = await connectRaw({ servers: broker.url });
    await raw.request('$JS.API.STREAM.PURGE.KV_node_v1', '', { timeout: 30_000 });
    await raw.close();
    await eventually('the loss is known', async () => (await lost()) === 3);
    const { code, stdout } = await muster(['status', '--data-dir', cluster.folderOf('node-0')]);
    assert.match(stdout, /trouble +the store lost the records of 3 nodes\n +to do .*muster store rebuild/);
    assert.equal(code, 1);
    const line = requester.logged(
      'the store lost records of nodes; nothing is decided about them until: muster store rebuild',
    )[0];
    assert.deepEqual([line?.level, line?.records], ['warn', 3]);
    const approve = await cluster.command('node', 'approve', 'kept');
    assert.equal(approve.code, 1);
    assert.match(
      approve.stderr,
      /lost the record of node kept\nHint: +put it back with: muster store rebuild/,
    );
    const list = await cluster.command('store', 'rebuild', '--dry-run');
    const time = String.raw`\S+Z +\S+`;
    const rows = [
      `gone +DELETED +${time} +sold`,
      `kept +APPROVED +${time} +ours`,
      `refused +REJECTED +${time} +not ours`,
    ];
    assert.match(list.stdout, new RegExp(`^ID +APPROVAL +SINCE +BY +REASON\n${rows.join('\n')}\n$`));
    await rebuild();
    const again = await cluster.command('store', 'rebuild');
    assert.deepEqual([again.code, again.stdout.startsWith('Nothing is missing')], [0, true]);
  });

  it('brings no node back as PENDING when all its files are gone', async () => {
    await broker.kill();
    await rm(folder(), { recursive: true });
    await broker.start();
    await eventually('the loss is known', async () => (await lost()) === 3);
    // The agent of `kept` asks again and again, and hears why it has to wait.
    const refusals = (await cluster.status()).counters.requestsRefused;
    await eventually(
      'agents asked',
      async () => (await cluster.status()).counters.requestsRefused > refusals + 2,
    );
    assert.equal(await cluster.node('kept'), undefined);
    await rebuild();
  });

  it('brings none back when a block lost its end, and the requester starts then', async () => {
    await requester.stop();
    await broker.kill();
    const file = await newestBlock();
    await truncate(file, Math.floor((await readFile(file)).length / 3));
    await rm(join(folder(), 'msgs/index.db'), { force: true });
    await broker.start();
    requester = await cluster.requester();
    await eventually('the loss is known', async () => ((await lost()) ?? 0) > 0);
    assert.equal((await cluster.status()).nodes?.pending, 0);
    await rebuild();
  });

  it('brings none back when bytes of records were flipped', async () => {
    await broker.kill();
    const file = await newestBlock();
    const data = await readFile(file);
    for (const text of ['"NodeID":"kept"', '"NodeID":"refused"', 'KV.node_v1.gone']) {
      for (let at = data.indexOf(text); at >= 0; at = data.indexOf(text, at + 1)) data.write('?', at + 3);
    }
    await writeFile(file, data);
    await rm(join(folder(), 'msgs/index.db'), { force: true });
    await broker.start();
    await eventually('the loss is known', async () => ((await lost()) ?? 0) > 0);
    assert.equal((await cluster.status()).nodes?.pending, 0);
    await rebuild();
  });
});
