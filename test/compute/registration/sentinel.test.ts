// Tests the sentinel on a real disk: a written one is read again, and anything else in its place is set aside with a
// reason.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { after, describe, test } from 'node:test';
import { promisify } from 'node:util';
import {
  loadSentinel,
  removeSentinel,
  type Sentinel,
  sentinelPath,
  writeSentinel,
} from '../../../agent/compute/registration/sentinel.ts';
import { newFolder } from '../../support/temporary.ts';
import { asUnprivileged, unprivilegedFolder } from '../../support/unprivileged.ts';

const node = 'node-1';
const key = 'NABC';
const file = 'node-1.registration.json';
const sentinel: Sentinel = {
  version: 1,
  node,
  key,
  cluster: 'c-1',
  requester: 'node-0',
  session: 's-1',
  membership: 'PENDING',
  registeredAt: '2026-01-01T00:00:00.000Z',
};

test('a written sentinel is read again, and only its owner may read it', async () => {
  const folder = await newFolder();
  assert.deepEqual(await loadSentinel(folder, node, key), { kind: 'none' });
  const bacalhau: Sentinel = { ...sentinel, cluster: '', requester: '', session: '', membership: '' };
  for (const each of [
    sentinel,
    { ...sentinel, membership: 'APPROVED' as const, approvedAt: 'x' },
    bacalhau,
  ]) {
    await writeSentinel(folder, each);
    assert.deepEqual(await loadSentinel(folder, node, key), { kind: 'valid', sentinel: each });
  }
  assert.equal((await stat(sentinelPath(folder, node))).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(folder), [file]);
});

test('a removed sentinel is gone; a second removal is no error', async () => {
  const folder = await newFolder();
  await writeSentinel(folder, sentinel);
  await removeSentinel(folder, node);
  await removeSentinel(folder, node);
  assert.deepEqual(await loadSentinel(folder, node, key), { kind: 'none' });
  assert.deepEqual(await readdir(folder), []);
});

test('two nodes in one folder do not read each other’s sentinel', async () => {
  const folder = await newFolder();
  await writeSentinel(folder, sentinel);
  assert.deepEqual(await loadSentinel(folder, 'node-10', key), { kind: 'none' });
  await removeSentinel(folder, 'node-10');
  assert.equal((await loadSentinel(folder, node, key)).kind, 'valid');
});

describe('what is set aside', () => {
  const text = JSON.stringify(sentinel);
  const changed = (change: object) => JSON.stringify({ ...sentinel, ...change });
  const cases: [name: string, content: string | Buffer, reason: RegExp][] = [
    ['empty', '', /^not a JSON document$/],
    ['blank', ' \n', /^not a JSON document$/],
    ['truncated', text.slice(0, -10), /^not a JSON document$/],
    ['full of zeros', Buffer.alloc(text.length), /^not a JSON document$/],
    ['binary', Buffer.from([0xff, 0xfe, 0x00]), /^not UTF-8 text$/],
    ['of another node', changed({ node: 'node-2' }), /^it is the sentinel of another node$/],
    ['of another key', changed({ key: 'NXYZ' }), /^it belongs to another key$/],
    ['of a later version', changed({ version: 2 }), /^version: /],
    ['without a session', changed({ session: undefined }), /^session: /],
    ['with a wrong type', changed({ cluster: 7 }), /^cluster: /],
    ['with an impossible membership', changed({ membership: 'REJECTED' }), /^membership: /],
    ['with a very long field', changed({ session: 's'.repeat(257) }), /^session: /],
    ['a list', `[${text}]`, /./],
    ['null', 'null', /./],
    ['huge', `${text}${' '.repeat(20_000)}`, /larger than 16384 bytes$/],
    ['nested very deep', '['.repeat(10_000), /^nested deeper than/],
  ];
  for (const [name, content, reason] of cases) {
    test(name, async () => {
      const folder = await newFolder();
      await writeFile(sentinelPath(folder, node), content);
      const reading = await loadSentinel(folder, node, key);
      assert.equal(reading.kind, 'bad');
      assert.match(reading.kind === 'bad' ? reading.reason : '', reason);
      assert.deepEqual(await readdir(folder), [`${file}.bad`]);
      assert.deepEqual(await readFile(`${sentinelPath(folder, node)}.bad`), Buffer.from(content));
      assert.deepEqual(await loadSentinel(folder, node, key), { kind: 'none' });
      await writeSentinel(folder, sentinel);
      assert.equal((await loadSentinel(folder, node, key)).kind, 'valid');
    });
  }

  test('a folder, a pipe or a broken link in its place, twice', async () => {
    const folder = await newFolder();
    const path = sentinelPath(folder, node);
    for (let turn = 0; turn < 2; turn++) {
      await mkdir(`${path}/sub`, { recursive: true });
      const reading = await loadSentinel(folder, node, key);
      assert.deepEqual(reading, { kind: 'bad', reason: 'not a regular file' });
      await promisify(execFile)('mkfifo', [path]);
      assert.deepEqual(await loadSentinel(folder, node, key), { kind: 'bad', reason: 'not a regular file' });
    }
    await symlink('/nowhere', path);
    assert.deepEqual(await loadSentinel(folder, node, key), {
      kind: 'bad',
      reason: 'a symbolic link, which is not followed',
    });
    await writeSentinel(folder, sentinel);
    assert.equal((await loadSentinel(folder, node, key)).kind, 'valid');
  });
});

describe('as a user to whom permissions apply', () => {
  const folders: string[] = [];
  after(() => Promise.all(folders.map(folder => rm(folder, { recursive: true, force: true }))));
  const inFolder = async (work: (folder: string) => Promise<void>) => {
    const folder = await unprivilegedFolder();
    folders.push(folder);
    await asUnprivileged(() => work(folder).finally(() => chmod(folder, 0o700)));
  };

  test('a sentinel that cannot be read is set aside', () =>
    inFolder(async folder => {
      await writeSentinel(folder, sentinel);
      await chmod(sentinelPath(folder, node), 0);
      const reading = await loadSentinel(folder, node, key);
      assert.match(reading.kind === 'bad' ? reading.reason : '', /^EACCES/);
      assert.deepEqual(await readdir(folder), [`${file}.bad`]);
    }));

  test('a sentinel in a read-only folder is read, but neither written nor removed', () =>
    inFolder(async folder => {
      await writeSentinel(folder, sentinel);
      await chmod(folder, 0o500);
      assert.equal((await loadSentinel(folder, node, key)).kind, 'valid');
      const denied = { code: 'not_writable', message: /node-1\.registration\.json: permission denied$/ };
      await assert.rejects(writeSentinel(folder, { ...sentinel, session: 's-2' }), denied);
      await assert.rejects(removeSentinel(folder, node), denied);
      assert.deepEqual(await loadSentinel(folder, node, key), { kind: 'valid', sentinel });
    }));

  test('a bad sentinel that cannot be set aside is an error', () =>
    inFolder(async folder => {
      await writeFile(sentinelPath(folder, node), 'torn');
      await chmod(folder, 0o500);
      await assert.rejects(loadSentinel(folder, node, key), { code: 'not_writable' });
    }));
});
