// Root restores a requester whose data folder belongs to another user, as that of a service does. Nothing that this user
// planted there leads root elsewhere, and everything that comes belongs to that user.
import assert from 'node:assert/strict';
import {
  chmod,
  chown,
  copyFile,
  lchown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { findProgram } from '../support/find-program.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { needsRoot, otherUser } from '../support/other-user.ts';
import { muster, type Program } from '../support/program.ts';

describe('a requester in the folder of another user', needsRoot, () => {
  let cluster: Cluster;
  let requester: Program;
  let id: string;
  const data = () => cluster.folderOf('node-0');
  const file = () => join(cluster.folder, 'muster.backup');
  const config = () => ['--config', join(cluster.folder, 'node-0-requester.yaml')];
  const restore = (...flags: string[]) => muster(['restore', file(), ...config(), ...flags]);
  const start = () =>
    cluster.requester(
      { 'broker.binary': join(cluster.folder, 'nats-server') },
      { uid: otherUser, gid: otherUser, env: { HOME: '/nonexistent' } },
    );
  /** Returns all names in the data folder and beside it, with the times of their last change. */
  const everything = async () => {
    const names = await readdir(cluster.folder, { recursive: true });
    const lines = names.map(async name => `${name} ${(await lstat(join(cluster.folder, name))).mtimeMs}`);
    return (await Promise.all(lines)).filter(line => !line.startsWith('kept/')).sort();
  };
  const ownersIn = async (folder: string) => {
    const names = await readdir(folder, { recursive: true });
    return new Set(await Promise.all(names.map(async name => (await lstat(join(folder, name))).uid)));
  };

  before(async () => {
    cluster = await Cluster.create();
    await chmod(cluster.folder, 0o755);
    await copyFile(await findProgram('nats-server'), join(cluster.folder, 'nats-server'));
    await mkdir(data(), { mode: 0o700 });
    await chown(data(), otherUser, otherUser);
    requester = await start();
    await cluster.agent('kept');
    await cluster.decide('kept', 'approve');
    ({ clusterId: id = '' } = await cluster.status());
  });
  after(() => cluster?.release());

  it('is not replaced while it runs, nor without the name of its cluster', async () => {
    const made = await muster(['backup', file(), ...config()]);
    assert.equal(made.code, 0, made.stderr);
    const running = await restore('--replace', id);
    assert.equal(running.code, 1);
    assert.match(running.stderr, /a requester uses .*requester: process \d+, node node-0/);
    assert.match(running.stderr, /systemctl stop muster-requester/);
    await requester.stop();
    const before = await everything();
    const refused = await restore();
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, new RegExp(`would replace the state of cluster ${id} in .*requester`));
    assert.match(refused.stderr, new RegExp(`--replace ${id}`));
    const owned = await restore('--replace', id, '--broker-binary', join(data(), 'nats-server'));
    assert.equal(owned.code, 78, owned.stderr);
    assert.match(owned.stderr, /broker\.binary: root does not run .*node-0\/nats-server/);
    assert.deepEqual(await everything(), before);
  });

  it('leads root nowhere by a link in the place of its folder, or of a file that root reads', async () => {
    const elsewhere = join(cluster.folder, 'elsewhere');
    await mkdir(elsewhere);
    await writeFile(join(elsewhere, 'kept.sock'), 'of root');
    for (const [name, target] of [
      ['requester', elsewhere],
      ['broker', elsewhere],
      ['restore.json', file()],
      ['requester/store-mark.json', file()],
    ] as const) {
      const path = join(data(), name);
      const aside = await rename(path, `${path}-aside`).then(
        () => true,
        () => false,
      );
      await symlink(target, path);
      await lchown(path, otherUser, otherUser);
      const before = await everything();
      const { code, stderr } = await restore('--replace', id);
      assert.deepEqual([code, /symbolic link/.test(stderr)], [1, true], stderr);
      assert.deepEqual(await everything(), before, name);
      await unlink(path);
      if (aside) await rename(`${path}-aside`, path);
    }
    assert.deepEqual(await readdir(elsewhere), ['kept.sock']);
  });

  it('comes back with everything in its own hands, and its nodes under their sessions', async () => {
    const { session } = (await cluster.sentinel('kept')) ?? {};
    // A restore removes what a killed one has left, and follows no link for that.
    await mkdir(join(`${data()}.restoring`, 'broker.restored', 'store'), { recursive: true });
    await writeFile(join(`${data()}.restoring`, 'restore.json'), 'half');
    const planted = join(data(), 'requester.restored');
    await symlink(join(cluster.folder, 'elsewhere'), planted);
    const done = await restore('--replace', id);
    assert.equal(done.code, 0, done.stderr);
    const [, aside = ''] = /What was there before is in (.*requester\.before-.*)/.exec(done.stderr) ?? [];
    assert.ok(await readFile(join(aside, 'store-mark.json')));
    assert.deepEqual(await readdir(join(cluster.folder, 'elsewhere')), ['kept.sock']);
    await assert.rejects(readlink(planted), { code: 'ENOENT' });
    assert.deepEqual(await ownersIn(data()), new Set([otherUser]));
    assert.deepEqual(
      (await readdir(cluster.folder)).filter(name => name.startsWith('node-0')).sort(),
      ['node-0', 'node-0-requester.yaml'],
      'nothing with the keys is left beside the folder',
    );
    requester = await start();
    await cluster.until('kept', 'APPROVED HEALTHY');
    assert.equal((await cluster.sentinel('kept'))?.session, session);
    await eventually('all is well', async () => (await cluster.status()).state === 'ready');
    assert.deepEqual(
      (await cluster.kindsOf('kept')).filter(kind => kind === 'registered'),
      ['registered'],
    );
  });

  it("gets the earlier streams of a NATS of one's own in a file of its own", async t => {
    const nats = await startNatsServer();
    t.after(() => nats.release());
    const folder = join(cluster.folder, 'second');
    await mkdir(folder, { mode: 0o700 });
    await chown(folder, otherUser, otherUser);
    const place = ['--data-dir', folder, '--nats-servers', nats.url];
    const first = await muster(['restore', file(), ...place]);
    assert.equal(first.code, 0, first.stderr);
    const again = await muster(['restore', file(), ...place, '--replace', id]);
    assert.equal(again.code, 0, again.stderr);
    const names = (await readdir(folder)).map(name => name.replace(/-\d.*\d/, '-TIME')).sort();
    assert.deepEqual(names, ['requester', 'requester.before-TIME', 'store-before-TIME.backup']);
    assert.deepEqual(await ownersIn(folder), new Set([otherUser]));
  });
});
