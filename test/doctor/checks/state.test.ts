// Checks the findings about folders, the key, the sentinel, files with secrets and the disk, and that nothing is changed.
import assert from 'node:assert/strict';
import { chmod, chown, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { identityFile, loadIdentity } from '../../../agent/compute/registration/identity.ts';
import { sentinelPath, writeSentinel } from '../../../agent/compute/registration/sentinel.ts';
import type { Settings } from '../../../agent/config/settings.ts';
import type { Check } from '../../../agent/doctor/checks/check.ts';
import { disk } from '../../../agent/doctor/checks/disk.ts';
import { folders } from '../../../agent/doctor/checks/folders.ts';
import { identity } from '../../../agent/doctor/checks/identity.ts';
import { secretFiles } from '../../../agent/doctor/checks/secret-files.ts';
import { sentinel } from '../../../agent/doctor/checks/sentinel.ts';
import { fakeMachine } from '../../host/machines.ts';
import { mountSmallDisk } from '../../support/small-disk.ts';
import { newFolder } from '../../support/temporary.ts';
import { context } from './context.ts';

const lines = async (check: Check) => (await check.run()).map(({ status, text }) => `${status} ${text}`);

/** Makes an agent's folder with a key and a sentinel, and a function that lists it, to see whether anything changed. */
async function agentsFolder() {
  const data = await newFolder();
  const folder = join(data, 'agent');
  await mkdir(folder, { mode: 0o700 });
  const { publicKey: key, fingerprint } = await loadIdentity(folder);
  await writeFile(join(folder, 'node.yaml'), 'id: node-1\n');
  const made = {
    version: 1 as const,
    node: 'node-1',
    key,
    cluster: 'c-1',
    requester: 'node-0',
    session: 'a-session-that-is-nobodys-business',
    membership: 'APPROVED' as const,
    registeredAt: '2026-11-24T08:00:00.000Z',
  };
  await writeSentinel(folder, made);
  return { data, folder, key, fingerprint, made, picture: () => picture(data) };
}

async function picture(folder: string): Promise<string[]> {
  const names = (await readdir(folder, { recursive: true })).sort();
  return Promise.all(
    names.map(async name => {
      const path = join(folder, name);
      const { mode, uid, mtimeMs, size, ino } = await stat(path);
      const text = (await stat(path)).isFile() ? await readFile(path, 'utf8') : '';
      return [name, mode, uid, mtimeMs, size, ino, text].join(' ');
    }),
  );
}

describe('the key and the sentinel', () => {
  test('that are fine are ok, and stay unchanged', async () => {
    const { data, key, fingerprint, picture } = await agentsFolder();
    const before = await picture();
    assert.deepEqual(await lines(identity(context({ data }))), [`ok ${key}, fingerprint ${fingerprint}`]);
    assert.deepEqual(await lines(sentinel(context({ data }))), [
      'ok node node-1, cluster c-1 of requester node-0, APPROVED, registered 2026-11-24T08:00:00.000Z',
    ]);
    assert.deepEqual(await picture(), before);
  });

  test('that do not exist yet are ok', async () => {
    const data = await newFolder();
    assert.match((await lines(identity(context({ data }))))[0] ?? '', /^ok there is none yet/);
    assert.match((await lines(sentinel(context({ data }))))[0] ?? '', /^ok there is none yet/);
    const { data: lost, folder } = await agentsFolder();
    await rm(sentinelPath(folder, 'node-1'));
    assert.deepEqual(await lines(sentinel(context({ data: lost }))), [
      'ok there is none: node node-1 registers at its next start',
    ]);
  });

  test('that others can read are a failure, and their mode stays', async () => {
    const { data, folder, picture } = await agentsFolder();
    await chmod(join(folder, identityFile), 0o644);
    await chmod(sentinelPath(folder, 'node-1'), 0o640);
    const before = await picture();
    const [, open] = await identity(context({ data })).run();
    assert.equal(open?.status, 'failed');
    assert.match(open?.text ?? '', /can be read by others \(mode 644\)$/);
    assert.match(open?.remedy ?? '', /^chmod 600 .*identity\.nk$/);
    assert.match((await lines(sentinel(context({ data }))))[1] ?? '', /^failed .*\(mode 640\)$/);
    assert.deepEqual(await picture(), before);
  });

  test('that belong to another user than their folder are a failure', async t => {
    if (process.geteuid?.() !== 0) return t.skip('only root gives files away');
    const { data, folder } = await agentsFolder();
    await chown(join(folder, identityFile), 65534, 65534);
    assert.match(
      (await lines(identity(context({ data }))))[1] ?? '',
      /^failed .* belongs to user 65534, and its folder to user 0/,
    );
  });

  test('a key file with wrong content is a failure that does not show the content', async () => {
    const { data, folder } = await agentsFolder();
    await writeFile(join(folder, identityFile), 'SNot-a-key-but-still-nobodys-business');
    const found = await identity(context({ data })).run();
    assert.equal(found[0]?.status, 'failed');
    assert.doesNotMatch(JSON.stringify(found), /nobodys-business/);
  });

  test('a sentinel that is damaged, or of another node or key, is a warning, and stays in its place', async () => {
    const { data, folder, made, picture } = await agentsFolder();
    const path = sentinelPath(folder, 'node-1');
    for (const text of [
      '{"version":1,',
      JSON.stringify({ ...made, node: 'node-2' }),
      JSON.stringify({ ...made, key: 'N'.repeat(56) }),
      '',
    ]) {
      await writeFile(path, text);
      const before = await picture();
      const [first] = await lines(sentinel(context({ data })));
      assert.match(first ?? '', /^warning .* cannot be used: /);
      assert.doesNotMatch(first ?? '', /nobodys-business/);
      assert.deepEqual(await picture(), before);
    }
  });
});

describe('the folders', () => {
  test('that exist are ok; a missing one is not made by the check', async () => {
    const { data } = await agentsFolder();
    assert.deepEqual(await lines(folders(context({ data }))), [`ok ${data}`]);
    const absent = join(data, 'a', 'b');
    assert.deepEqual(await lines(folders(context({ data: absent }))), [
      `ok ${absent} does not exist yet: the first start makes it`,
    ]);
    assert.ok(!(await readdir(data)).includes('a'));
  });

  test('that others can write, or that are not folders, are a failure', async () => {
    const { data, folder } = await agentsFolder();
    await chmod(folder, 0o777);
    assert.match(
      (await lines(folders(context({ data }))))[0] ?? '',
      /^failed .* can be written by others \(mode 777\)$/,
    );
    await rm(folder, { recursive: true });
    await writeFile(folder, '');
    assert.match((await lines(folders(context({ data })))).join('\n'), /^failed .*agent is not a folder$/m);
    await rm(folder);
    await symlink('/nonexistent', folder);
    assert.deepEqual(await lines(folders(context({ data }))), [`ok ${data}`]);
  });

  test('on a read-only file system are a failure', async t => {
    if (process.platform !== 'linux') return t.skip('only Linux is sure to have /proc');
    const found = await lines(folders(context({ data: '/proc/1' })));
    assert.match(found[0] ?? '', /^(failed|warning) \/proc\/1 /);
  });
});

describe('files with secrets', () => {
  const named = (tokenFile: string) => (settings: Settings) => ({
    ...settings,
    nats: { ...settings.nats, tokenFile },
  });

  test('that their owner and group can read are ok; that every user can read are a failure', async () => {
    const path = join(await newFolder(), 'token');
    await writeFile(path, 'x', { mode: 0o640 });
    await chmod(path, 0o640);
    assert.deepEqual(await lines(secretFiles(context({ settings: named(path) }))), [
      `ok ${path} (nats.tokenFile)`,
    ]);
    await chmod(path, 0o644);
    assert.deepEqual(await lines(secretFiles(context({ settings: named(path) }))), [
      `failed ${path} (nats.tokenFile) can be read by every user (mode 644)`,
    ]);
    assert.deepEqual(await lines(secretFiles(context())), []);
  });
});

describe('the room on the disk', () => {
  test('that is free is shown', async () => {
    assert.match(
      (await lines(disk(context({ data: await newFolder() }))))[0] ?? '',
      /^(ok|warning) .* (GiB|MiB) left/,
    );
  });

  test('counts as almost used up by the same rule as in the agent', async () => {
    const inputs = fakeMachine({ answers: { space: { total: 100 * 2 ** 30, available: 2 ** 30 } } });
    const found = await disk(context({ data: await newFolder(), inputs })).run();
    assert.match(found[0]?.text ?? '', /less than 10 GiB of 100 GiB is left/);
    assert.equal(found[0]?.status, 'warning');
  });

  test('that is used up is a failure, for bytes and for files', async t => {
    const small = await mountSmallDisk();
    if (!small) return t.skip('no small disk can be mounted here');
    try {
      await small.fill();
      assert.match(
        (await lines(disk(context({ data: join(small.folder, 'data') }))))[0] ?? '',
        /^failed 0 MiB of 0 MiB left at/,
      );
    } finally {
      await small.release();
    }
  });
});
