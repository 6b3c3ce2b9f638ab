// A requester is backed up while it works, its disk is lost, and one command brings everything back: nobody registers again.
import assert from 'node:assert/strict';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { isRunning } from '../support/processes.ts';
import { muster, type Program } from '../support/program.ts';

describe('a requester whose disk is lost', () => {
  let cluster: Cluster;
  let requester: Program;
  /** The kinds of events of one node that were told before the backup. */
  let toldBefore: string[];
  const file = () => join(cluster.folder, 'muster.backup');
  const config = () => join(cluster.folder, 'node-0-requester.yaml');
  const data = () => cluster.folderOf('node-0');
  const backUp = (path = file()) => muster(['backup', path, '--config', config()]);
  const restore = (...flags: string[]) => muster(['restore', file(), '--config', config(), ...flags]);
  const settings = { 'broker.host': '0.0.0.0', 'broker.advertise': '127.0.0.1' };

  before(async () => {
    cluster = await Cluster.create();
    requester = await cluster.requester(settings);
  });
  after(() => cluster.release());

  it('is backed up while nodes register and operators decide', async () => {
    for (const id of ['kept', 'waiting', 'gone']) await cluster.agent(id);
    await cluster.decide('kept', 'approve');
    await cluster.decide('gone', 'delete');
    await eventually('the approval is told', async () => {
      toldBefore = await cluster.kindsOf('kept');
      return toldBefore.includes('approved');
    });
    const [done] = await Promise.all([backUp(), cluster.agent('meanwhile')]);
    assert.deepEqual([done.code, done.stderr.includes('Error')], [0, false], done.stderr);
    assert.match(done.stdout, /muster\.backup: \d+ records, \d+ events, \d+ bytes\n/);
    assert.equal((await stat(file())).mode & 0o777, 0o600);
    const again = await backUp();
    assert.deepEqual([again.code, /exists already/.test(again.stderr)], [1, true]);
  });

  it('comes back on an empty disk, with its keys, and nobody registers again', async () => {
    const sessions = async () =>
      Promise.all(['kept', 'waiting'].map(async id => (await cluster.sentinel(id))?.session));
    const before = await sessions();
    await requester.kill();
    // A killed requester leaves its broker behind, which a lost machine does not.
    const broker = Number(await readFile(join(data(), 'broker', 'nats-server.pid'), 'utf8'));
    process.kill(broker, 'SIGKILL');
    await eventually('its broker has ended', async () => !(await isRunning(broker)));
    await rm(data(), { recursive: true });
    const done = await restore();
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, /^cluster \S+, requester node-0, as they were at \S+Z\n$/);
    requester = await cluster.requester(settings);
    await cluster.until('kept', 'APPROVED HEALTHY');
    await cluster.until('waiting', 'PENDING HEALTHY');
    assert.deepEqual(await sessions(), before);
    await eventually('all is well', async () => (await cluster.status()).state === 'ready');
    assert.deepEqual(
      (await cluster.kindsOf('kept')).filter(kind => kind === 'registered'),
      ['registered'],
    );
    assert.deepEqual((await cluster.kindsOf('kept')).slice(0, toldBefore.length), toldBefore);
    assert.equal(await cluster.node('gone'), undefined);
    await cluster.decide('waiting', 'approve');
    await cluster.until('waiting', 'APPROVED HEALTHY');
  });

  it('is not replaced by a file that is wrong, under a requester that runs, or without the name of its cluster', async () => {
    const running = await restore();
    assert.equal(running.code, 1);
    assert.match(running.stderr, /a requester uses .*requester: process \d+, node node-0/);
    await cluster.decide('waiting', 'delete');
    const { clusterId } = await cluster.status();
    await requester.stop();
    const before = await readdir(cluster.folderOf('node-0'));
    const whole = await readFile(file());
    const wrong = [
      [whole.subarray(0, whole.length - 100), /is not whole: its end is missing/],
      [Buffer.from('something else'), /is not a backup that muster made/],
      [
        Buffer.from(whole.map((byte, at) => (at === 5_000 ? byte ^ 1 : byte))),
        /was changed since it was written/,
      ],
    ] as const;
    for (const [content, text] of wrong) {
      const path = join(cluster.folder, 'wrong.backup');
      await writeFile(path, content);
      const { code, stderr } = await muster([
        'restore',
        path,
        '--config',
        config(),
        '--replace',
        `${clusterId}`,
      ]);
      assert.deepEqual([code, text.test(stderr)], [1, true], stderr);
    }
    const refused = await restore();
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /would replace the store of cluster .*, with \d+ nodes and \d+ events/);
    assert.match(refused.stderr, new RegExp(`--replace ${clusterId}`));
    const other = await restore('--replace', 'another');
    assert.match(other.stderr, /--replace names another cluster: another/);
    assert.equal((await restore('--replicas', '3')).code, 64);
    assert.deepEqual((await readdir(data())).sort(), before.sort());
  });

  it('goes back to a backup in which what the ledger says still counts', async () => {
    const { cluster: id } = JSON.parse(await readFile(join(data(), 'requester/store-mark.json'), 'utf8'));
    const done = await restore('--replace', id);
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stderr, /What was there before is in .*broker\.before-/);
    requester = await cluster.requester(settings);
    await cluster.until('kept', 'APPROVED HEALTHY');
    // The backup has this node, and the ledger says that it was deleted later.
    await eventually('it is deleted again', async () => (await cluster.node('waiting')) === undefined);
    // Nothing else is void: the first join code is in the backup.
    await cluster.agent('newcomer');
    await eventually('all is well', async () => (await cluster.status()).state === 'ready');
    assert.ok((await readdir(data())).some(name => name.startsWith('requester.before-')));
    assert.deepEqual(
      (await readdir(data())).filter(name => name.endsWith('.restored') || name === 'restore.json'),
      [],
    );
  });
});
