// A NATS of one's own and the requester's disk are lost with a thousand nodes on the roll. They are restored on a cluster of
// three servers, and nobody registers again.
import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { Fleet } from '../support/fleet.ts';
import { freePort } from '../support/listener.ts';
import { makeNatsServer, type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { openConnection } from '../support/open-connection.ts';
import { muster, type Program } from '../support/program.ts';

const size = 1_000;

describe("a thousand nodes on a NATS of one's own", () => {
  let alone: NatsServer;
  const three: NatsServer[] = [];
  let cluster: Cluster;
  let requester: Program;
  let sessions: ReadonlyMap<string, string>;
  const file = () => join(cluster.folder, 'muster.backup');
  const config = () => join(cluster.folder, 'node-0-requester.yaml');
  const restore = (...flags: string[]) => muster(['restore', file(), '--config', config(), ...flags]);

  before(async () => {
    alone = await startNatsServer();
    cluster = await Cluster.create({ servers: alone.url });
    requester = await cluster.requester({ 'requester.maxPending': 2 * size });
  });
  after(async () => {
    await cluster.release();
    await Promise.all([alone, ...three].map(each => each.release()));
  });

  it('are backed up while they register', async () => {
    const fleet = await Fleet.connect(alone.url, size);
    fleet.registerAll(64);
    await eventually('half of them are registered', () => fleet.sessions.size > size / 2);
    const early = await muster(['backup', join(cluster.folder, 'early.backup'), '--config', config()]);
    assert.equal(early.code, 0, early.stderr);
    await eventually('all are registered', () => fleet.sessions.size === size);
    const done = await muster(['backup', file(), '--config', config()]);
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, new RegExp(`${size + 1} records`));
    sessions = new Map(fleet.sessions);
    await fleet.close();
  });

  it('are not replaced under the requester that keeps them', async () => {
    const elsewhere = await muster([
      'restore',
      file(),
      '--data-dir',
      join(cluster.folder, 'elsewhere'),
      '--nats-servers',
      alone.url,
    ]);
    assert.equal(elsewhere.code, 1);
    assert.match(elsewhere.stderr, /a requester keeps the roll of cluster .* on this NATS/);
  });

  it('come back on three servers', async () => {
    await requester.kill();
    await alone.kill();
    await rm(cluster.folderOf('node-0'), { recursive: true });
    const routes = await Promise.all([1, 2, 3].map(() => freePort()));
    for (const [at, route] of routes.entries()) {
      const lines = [
        `server_name: s${at}`,
        'cluster {',
        '  name: three',
        `  listen: "127.0.0.1:${route}"`,
        `  routes: [ ${routes.map(port => `"nats://127.0.0.1:${port}"`).join(', ')} ]`,
        '}',
      ];
      const server = await makeNatsServer({ config: lines.join('\n') });
      three.push(server);
    }
    await Promise.all(three.map(server => server.start()));
    const servers = three.map(({ url }) => url).join(',');
    await cluster.rewrite('requester', 'node-0', {
      'api.port': cluster.apiPort,
      'nats.servers': servers,
      'requester.maxPending': 2 * size,
    });
    await eventually('the three have a leader', async () => (await restore('--replicas', '3')).code === 0);
    const refused = await restore();
    assert.match(refused.stderr, new RegExp(`would replace the store of cluster .*, with ${size + 1} nodes`));
    requester = await cluster.requester({ 'nats.servers': servers, 'requester.maxPending': 2 * size });
    const connection = await openConnection(three[0]?.url ?? '');
    const info = await connection.request('$JS.API.STREAM.INFO.KV_node_v1', '', 30_000);
    assert.equal(JSON.parse(Buffer.from(info.data).toString()).config.num_replicas, 3);
    await connection.close();
    const fleet = await Fleet.connect(three[1]?.url ?? '', size);
    for (const [id, session] of sessions) fleet.sessions.set(id, session);
    await eventually('all are heard under their sessions', async () => {
      fleet.sendHeartbeats(1);
      const nodes = await cluster.nodes();
      return nodes.filter(({ Muster }) => Muster.Health === 'HEALTHY').length === size;
    });
    await fleet.close();
    await eventually('all is well', async () => (await cluster.status()).state === 'ready');
    const registered = (await cluster.events()).filter(({ type }) => type.endsWith('.registered'));
    assert.equal(new Set(registered.map(({ subject }) => subject)).size, registered.length);
  });

  it('are not touched by a file that is torn, or of a later version', async () => {
    const { clusterId = '' } = await cluster.status();
    await requester.stop();
    const store = async () => {
      const connection = await openConnection(three[0]?.url ?? '');
      const ask = async (stream: string) => {
        const { data } = await connection.request(`$JS.API.STREAM.INFO.${stream}`, '', 30_000);
        const { created, config, state } = JSON.parse(Buffer.from(data).toString());
        // The consumers of a requester that has stopped go by themselves.
        return { stream, created, config, state: { ...state, consumer_count: undefined } };
      };
      const streams = await Promise.all(['KV_node_v1', 'KV_muster_v1', 'NODE_EVENTS'].map(ask));
      await connection.close();
      return streams;
    };
    const folder = () => readdir(cluster.folderOf('node-0'), { recursive: true });
    const before = [await store(), await folder()];
    const whole = await readFile(file());
    const later = Buffer.concat([Buffer.from('muster backup 2\n'), whole.subarray(whole.indexOf('\n') + 1)]);
    for (const [content, text] of [
      [whole.subarray(0, whole.length / 2), /is not whole: its end is missing/],
      [later, /was written by a later version of muster/],
    ] as const) {
      await writeFile(file(), content);
      const { code, stderr } = await restore('--replicas', '3', '--replace', clusterId);
      assert.deepEqual([code, text.test(stderr)], [1, true], stderr);
      assert.deepEqual([await store(), await folder()], before);
    }
  });
});
