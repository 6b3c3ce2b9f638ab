// An agent that is killed, stopped or suspended, or whose sentinel or folder is damaged, recovers without an operator.
import assert from 'node:assert/strict';
import { chmod, chown, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';

describe('an agent that fails', () => {
  let broker: NatsServer;
  let cluster: Cluster;

  before(async () => {
    broker = await startNatsServer();
    // A node is UNHEALTHY for long enough that a busy machine sees it.
    cluster = await Cluster.create({ servers: broker.url, settings: { 'requester.nodeUnknownAfter': '6s' } });
    await cluster.requester();
  });

  after(async () => {
    await cluster.release();
    await broker.release();
  });

  const registrations = async (id: string) =>
    (await cluster.kindsOf(id)).filter(kind => kind === 'registered').length;
  const sessionOf = async (id: string) => (await cluster.sentinel(id))?.session;

  it('keeps its id and its registration when it is killed and started again', async () => {
    const agent = await cluster.agent('kill');
    await cluster.until('kill', 'PENDING HEALTHY');
    const session = await sessionOf('kill');
    await agent.kill();
    await cluster.until('kill', 'PENDING UNHEALTHY');
    await cluster.until('kill', 'PENDING UNKNOWN');
    await cluster.agent('kill', {}, { wait: false });
    await cluster.until('kill', 'PENDING HEALTHY');
    assert.equal(await sessionOf('kill'), session);
    assert.equal(await registrations('kill'), 1);
  });

  it('is UNKNOWN at once when it is stopped, and the event says that it left', async () => {
    const agent = await cluster.agent('leaver');
    await cluster.until('leaver', 'PENDING HEALTHY');
    await eventually('the event healthy', async () => (await cluster.kindsOf('leaver')).includes('healthy'));
    const { code } = await agent.stop();
    assert.equal(code, 0);
    await cluster.until('leaver', 'PENDING UNKNOWN');
    await eventually('the event left', async () => (await cluster.kindsOf('leaver')).includes('left'));
    const kinds = await cluster.kindsOf('leaver');
    assert.ok(!kinds.slice(kinds.lastIndexOf('healthy')).includes('unhealthy'), kinds.join());
  });

  it('is UNKNOWN while it is suspended, and HEALTHY with the first heartbeat afterwards', async () => {
    const agent = await cluster.agent('sleeper');
    await cluster.until('sleeper', 'PENDING HEALTHY');
    const session = await sessionOf('sleeper');
    agent.signal('SIGSTOP');
    await cluster.until('sleeper', 'PENDING UNHEALTHY');
    await cluster.until('sleeper', 'PENDING UNKNOWN');
    agent.signal('SIGCONT');
    await cluster.until('sleeper', 'PENDING HEALTHY');
    assert.equal(await sessionOf('sleeper'), session);
  });

  const damages: [string, (path: string) => Promise<void>][] = [
    ['deleted', path => rm(path)],
    ['empty', path => writeFile(path, '')],
    ['truncated', async path => writeFile(path, (await readFile(path)).subarray(0, 40))],
    [
      'of another node',
      async path =>
        writeFile(path, (await readFile(path, 'utf8')).replace(/"node": "[^"]*"/, '"node": "other"')),
    ],
    [
      'of another cluster',
      async path =>
        writeFile(
          path,
          (await readFile(path, 'utf8')).replace(/"cluster": "[^"]*"/, '"cluster": "elsewhere"'),
        ),
    ],
    [
      'unreadable',
      async path => {
        await rm(path);
        await mkdir(path);
      },
    ],
  ];
  for (const [name, damage] of damages) {
    it(`registers again when its sentinel is ${name}, keeps its id and membership, and writes a new sentinel`, async () => {
      const id = `sentinel-${name.replaceAll(' ', '-')}`;
      const agent = await cluster.agent(id);
      assert.equal((await cluster.command('node', 'approve', id)).stdout, 'Ok\n');
      await agent.untilPrinted(/"msg":"approved"/);
      const session = await sessionOf(id);
      await agent.stop();
      await damage(cluster.sentinelOf(id));
      await cluster.agent(id);
      await cluster.until(id, 'APPROVED HEALTHY');
      await eventually('a new sentinel', async () => {
        const now = await cluster.sentinel(id).catch(() => undefined);
        return (
          now !== undefined && now.session !== session && now.node === id && now.approvedAt !== undefined
        );
      });
      assert.equal(await registrations(id), 1, 'the requester knew the node already');
      const files = await readdir(join(cluster.folderOf(id), 'agent'));
      if (!['deleted', 'of another cluster'].includes(name)) {
        assert.ok(files.includes(`${id}.registration.json.bad`), `the old one is set aside: ${files}`);
      }
    });
  }

  it('prints one sentence and exits with 1 when it cannot write its folder at the first start', async () => {
    const folder = cluster.folderOf('readonly');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'agent'), 'a file where the folder should be');
    const agent = await cluster.agent('readonly', {}, { wait: false });
    const { code, stderr } = await agent.finished;
    assert.equal(code, 1, stderr);
    assert.match(stderr, /cannot write .*readonly\/agent: /);
    assert.doesNotMatch(stderr, /\n\s+at /);
  });

  it('exits with 1 when it is started twice in one folder, and names the process that holds it', async () => {
    const first = await cluster.agent('twice');
    const second = await cluster.agent('twice', {}, { wait: false });
    const { code, stderr } = await second.finished;
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`another agent holds .*: process ${first.pid}, node twice`));
    assert.ok(first.running);
  });

  it('keeps running when its folder becomes read-only', async () => {
    const folder = join(cluster.folderOf('locked'), 'agent');
    const agent = await cluster.agent('locked');
    const root = process.getuid?.() === 0;
    await agent.stop();
    // Root can write to a read-only folder. In a test by root, the agent runs as a user who owns the folder.
    const user = root ? { uid: 65534, gid: 65534 } : {};
    if (root) {
      await chown(folder, 65534, 65534);
      for (const name of await readdir(folder)) await chown(join(folder, name), 65534, 65534);
      await chmod(cluster.folder, 0o755);
      await chmod(cluster.folderOf('locked'), 0o755);
      await chmod(join(cluster.folder, 'locked-agent.yaml'), 0o644);
    }
    const again = await cluster.agent('locked', {}, user);
    await chmod(folder, 0o555);
    await cluster.until('locked', 'PENDING HEALTHY');
    assert.equal((await cluster.command('node', 'approve', 'locked')).stdout, 'Ok\n');
    await again.untilPrinted(/the sentinel could not be written/);
    await cluster.until('locked', 'APPROVED HEALTHY');
    await chmod(folder, 0o755);
    await again.stop();
  });
});
