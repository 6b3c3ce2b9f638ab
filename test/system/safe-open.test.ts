// Root and every other user open only what nobody else planted: no links, no hard links, no pipes and no devices of others.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import {
  chmod,
  chown,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  realpath,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { systemClock } from '../../agent/system/clock.ts';
import { LogFile } from '../../agent/system/log-file.ts';
import { readBounded, readOwnFile } from '../../agent/system/read-file.ts';
import { removeTree } from '../../agent/system/remove-tree.ts';
import { askHolder } from '../../agent/system/role-socket.ts';
import { withFolder } from '../../agent/system/safe-open.ts';
import { needsRoot, otherUser } from '../support/other-user.ts';

const made: string[] = [];
after(() => Promise.all(made.map(folder => rm(folder, { recursive: true, force: true }))));

/** Makes a folder of the other user beside a file that only root can read. */
async function planterFolder() {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'muster-planted-')));
  made.push(root);
  await chmod(root, 0o755);
  const folder = join(root, 'state');
  const secret = join(root, 'secret');
  await mkdir(folder, { mode: 0o755 });
  await chown(folder, otherUser, otherUser);
  await writeFile(secret, 'only root may read this', { mode: 0o600 });
  /** Writes a file of the other user. */
  const write = async (name: string, text: string) => {
    await writeFile(join(folder, name), text);
    await chown(join(folder, name), otherUser, otherUser);
  };
  return { root, folder, secret, write };
}

/** Starts a process that swaps the names of each pair in `folder` all the time. */
async function swapAll(folder: string, pairs: [string, string][]) {
  const swaps = `const { renameSync } = require('node:fs');
    process.chdir(${JSON.stringify(folder)});
    const move = (from, to) => { try { renameSync(from, to); } catch {} };
    process.stdout.write('ready');
    for (;;) for (const [a, b] of ${JSON.stringify(pairs)}) { move(a, 'x'); move(b, a); move('x', b); }`;
  const planter = spawn(process.execPath, ['-e', swaps], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise(resolve => planter.stdout.once('data', resolve));
  return planter;
}

const refuses = (path: string, reason: RegExp) =>
  assert.rejects(readBounded(path), (error: Error) => {
    assert.match(error.message, reason);
    return true;
  });

describe('root, in a folder of another user,', needsRoot, () => {
  test("reads that user's own files", async () => {
    const { folder, write } = await planterFolder();
    await write('nats.conf', 'port: 4222\n');
    assert.equal((await readBounded(join(folder, 'nats.conf')))?.toString(), 'port: 4222\n');
    assert.equal(await readBounded(join(folder, 'none')), undefined);
  });

  test('follows no link, neither at the end of the path nor on the way', async () => {
    const { root, folder, secret } = await planterFolder();
    await symlink(secret, join(folder, 'nats.conf'));
    await refuses(join(folder, 'nats.conf'), /nats\.conf: a symbolic link, which is not followed$/);
    await symlink(root, join(folder, 'broker'));
    await refuses(
      join(folder, 'broker', 'secret'),
      /broker\/secret is not followed: it leads to .*\/secret$/,
    );
    await assert.rejects(withFolder(join(folder, 'broker'), async () => undefined));
  });

  test('reads no hard link to a file of somebody else, no pipe and no device, and does not wait', async () => {
    const { folder, secret } = await planterFolder();
    await link(secret, join(folder, 'hard'));
    await refuses(join(folder, 'hard'), /hard: a hard link, which is not followed: the file has 2 names$/);
    await promisify(execFile)('mkfifo', [join(folder, 'pipe')]);
    await refuses(join(folder, 'pipe'), /pipe: not a regular file$/);
    await promisify(execFile)('mknod', [join(folder, 'device'), 'c', '1', '5']);
    await refuses(join(folder, 'device'), /device: not a regular file$/);
    await writeFile(join(folder, 'third'), 'of a third user');
    await chown(join(folder, 'third'), 12_345, 12_345);
    await refuses(join(folder, 'third'), /it belongs to user 12345, and the folder to user 65534$/);
  });

  test('never reads the secret while the file and its folder are swapped for links all the time', async () => {
    const { root, folder, secret, write } = await planterFolder();
    await mkdir(join(folder, 'broker'));
    await writeFile(join(folder, 'broker', 'secret'), 'planted');
    await symlink(root, join(folder, 'link'));
    await write('plain', 'planted');
    await symlink(secret, join(folder, 'plain-link'));
    const planter = await swapAll(folder, [
      ['broker', 'link'],
      ['plain', 'plain-link'],
    ]);
    try {
      const read = new Set<string | undefined>();
      for (let turn = 0; turn < 100; turn++) {
        for (const path of [join(folder, 'broker', 'secret'), join(folder, 'plain')])
          read.add((await readBounded(path).catch(() => undefined))?.toString());
      }
      read.delete(undefined);
      assert.deepEqual([...read], ['planted']);
    } finally {
      planter.kill('SIGKILL');
    }
  });

  test('removes a folder without what a link in it leads to, while it is swapped all the time', async () => {
    const { root, folder } = await planterFolder();
    const kept = join(root, 'kept');
    await mkdir(kept);
    await writeFile(join(kept, 'file'), '');
    await symlink(kept, join(folder, 'link'));
    await mkdir(join(folder, 'broker', 'store'), { recursive: true });
    await writeFile(join(folder, 'broker', 'store', 'block'), '');
    const planter = await swapAll(folder, [['broker', 'link']]);
    try {
      // A folder that changes meanwhile may stay. What is elsewhere stays in any case.
      for (let turn = 0; turn < 20; turn++) await removeTree(join(folder, 'broker')).catch(() => undefined);
    } finally {
      planter.kill('SIGKILL');
    }
    await removeTree(folder);
    assert.deepEqual(await readdir(root), ['kept', 'secret']);
    assert.deepEqual(await readdir(kept), ['file']);
    await removeTree(folder);
  });

  test('asks no socket that a link leads to, and does not write its log through one', async () => {
    const { root, folder, secret } = await planterFolder();
    let asked = 0;
    const server = createServer(socket => {
      asked++;
      socket.end();
    });
    await new Promise<void>(resolve => server.listen(join(root, 'of-root.sock'), resolve));
    await symlink(join(root, 'of-root.sock'), join(folder, '.abcdef.sock'));
    await symlink('.abcdef.sock', join(folder, 'control.sock'));
    assert.equal(await askHolder(folder, { command: 'status' }), undefined);
    await rm(join(folder, 'control.sock'));
    await symlink(join(root, 'of-root.sock'), join(folder, 'control.sock'));
    assert.equal(await askHolder(folder, { command: 'status' }), undefined);
    assert.equal(asked, 0);
    server.close();
    await symlink(secret, join(folder, 'log.txt'));
    assert.throws(
      () => new LogFile(join(folder, 'log.txt'), systemClock),
      /is a symbolic link, which root does not/,
    );
    await link(secret, join(folder, 'hard.txt'));
    assert.throws(() => new LogFile(join(folder, 'hard.txt'), systemClock), /hard\.txt is a hard link/);
  });

  test('uses the folder that it opened, even when its path leads elsewhere now', async () => {
    const { root, folder, write } = await planterFolder();
    await mkdir(join(folder, 'agent'));
    await write('agent/node.yaml', 'id: node-1\n');
    const names = await withFolder(join(folder, 'agent'), async ({ at }) => {
      await rename(join(folder, 'agent'), join(folder, 'moved'));
      await symlink(root, join(folder, 'agent'));
      return readdir(at());
    });
    assert.deepEqual(names, ['node.yaml']);
  });
});

describe('a link', () => {
  test('of this user is followed in a file that an operator names, and refused in the state', async () => {
    const root = await mkdtemp(join(tmpdir(), 'muster-planted-'));
    made.push(root);
    await mkdir(join(root, 'data'));
    await writeFile(join(root, 'data', 'token'), 'a token');
    await symlink('data', join(root, 'folder'));
    await symlink('folder/token', join(root, 'token'));
    assert.equal((await readBounded(join(root, 'token')))?.toString(), 'a token');
    assert.equal((await readOwnFile(join(root, 'folder', 'token')))?.data.toString(), 'a token');
    await assert.rejects(readOwnFile(join(root, 'token')), {
      message: /token: a symbolic link, which is not followed$/,
      hint: `put the file itself there if you made the link; otherwise remove it: rm ${join(root, 'token')}`,
    });
    await symlink('loop', join(root, 'loop'));
    await refuses(join(root, 'loop'), /has too many symbolic links$/);
  });

  test('of another user in a folder such as /tmp is not followed', needsRoot, async () => {
    const { root, secret } = await planterFolder();
    await chmod(root, 0o1777);
    await symlink(secret, join(root, 'config.yaml'));
    assert.ok(await readBounded(join(root, 'config.yaml')));
    await promisify(execFile)('chown', ['-h', String(otherUser), join(root, 'config.yaml')]);
    assert.equal((await lstat(join(root, 'config.yaml'))).uid, otherUser);
    await refuses(
      join(root, 'config.yaml'),
      /config\.yaml is a symbolic link of user 65534, which is not followed$/,
    );
  });
});
