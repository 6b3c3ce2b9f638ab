// What a node knows of its cluster survives restarts, and a code is kept only until it is used.
import assert from 'node:assert/strict';
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadServerCertificate } from '../../../agent/broker/tls/server-certificate.ts';
import {
  clusterFileName,
  type KnownCluster,
  readClusterFile,
  withAuthority,
  withCode,
  withoutCode,
  withPins,
  withTrusted,
  writeClusterFile,
} from '../../../agent/compute/registration/cluster-file.ts';
import { type JoinCode, joinToken } from '../../../agent/protocol/join-code.ts';
import { silentLog } from '../../../agent/system/log.ts';
import { redactSecrets } from '../../../agent/system/secrets.ts';
import { newFolder } from '../../support/temporary.ts';

const pin = (byte: number) => Buffer.alloc(32, byte).toString('base64url');
const code = (more: Partial<JoinCode> = {}): JoinCode => ({
  servers: ['tls://head:4222'],
  pins: [pin(1)],
  token: joinToken('aaaaaaaaaa', Buffer.alloc(16, 1)),
  cluster: 'c-1',
  endsAt: 1_800_000_000,
  ...more,
});
const otherToken = joinToken('bbbbbbbbbb', Buffer.alloc(16, 2));

test('a written file is read again, and only its owner may read it', async () => {
  const folder = await newFolder();
  assert.equal(await readClusterFile(folder), undefined);
  const known = withAuthority(withCode(undefined, code()), 'PEM');
  await writeClusterFile(folder, known);
  assert.deepEqual(await readClusterFile(folder), known);
  const path = join(folder, clusterFileName);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  await chmod(path, 0o644);
  assert.deepEqual(await readClusterFile(folder), known);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  await writeClusterFile(folder, withoutCode(known));
  const after = await readClusterFile(folder);
  assert.equal(after?.code, undefined);
  assert.equal(after?.usedCode, 'aaaaaaaaaa');
  assert.ok(!(await readFile(path, 'utf8')).includes(code().token), 'the used code is in the file no more');
});

test('a damaged file is not taken for none, because the node would look for another cluster', async () => {
  const folder = await newFolder();
  for (const text of ['', '{', '{}', '[]', '{"version":2}', 'x'.repeat(100_000)]) {
    await writeFile(join(folder, clusterFileName), text);
    await assert.rejects(
      readClusterFile(folder),
      error => (error as { code?: string }).code === 'bad_state',
      text,
    );
  }
});

test('a code of the same cluster adds to what is known, and one of another cluster replaces it', () => {
  const first = withAuthority(withoutCode(withCode(undefined, code())), 'PEM');
  const second = withCode(first, code({ token: otherToken, servers: ['tls://new:4222'], pins: [pin(2)] }));
  assert.deepEqual(second, {
    cluster: 'c-1',
    servers: ['tls://new:4222'],
    pins: [pin(2), pin(1)],
    cas: ['PEM'],
    code: otherToken,
    codeId: 'bbbbbbbbbb',
    usedCode: 'aaaaaaaaaa',
  } satisfies KnownCluster);
  const moved = withCode(second, code({ cluster: 'c-2', token: otherToken }));
  assert.deepEqual([moved.cas, moved.pins, moved.usedCode], [[], [pin(1)], undefined]);
});

test('a code that this node has used already changes nothing, so it may stay in a configuration', () => {
  const used = withoutCode(withCode(undefined, code()));
  assert.deepEqual(withCode(used, code({ servers: ['tls://other:4222'] })), used);
});

test('the numbers of pins and certificates are limited', () => {
  let known = withCode(undefined, code());
  for (let count = 0; count < 20; count++) {
    known = withAuthority(known, `PEM ${count}`);
    known = withCode(known, code({ pins: [pin(count)] }));
  }
  assert.equal(known.cas.length, 8);
  assert.equal(known.pins.length, 8);
  assert.equal(known.pins[0], pin(19));
  assert.equal(withAuthority(known, 'PEM 19'), known);
});

test('a token is redacted everywhere from the moment it is known', () => {
  const token = joinToken('cccccccccc', Buffer.alloc(16, 3));
  withCode(undefined, code({ token }));
  assert.ok(!redactSecrets(`x ${token} y`).includes(token));
});

test('the CAs that the requester names replace those that were known, also those that were seen', async () => {
  const folder = await newFolder();
  const { ca = '', pin: first = '' } = await loadServerCertificate(folder, ['localhost'], {
    now: () => new Date('2026-11-28T08:00:00Z'),
    log: silentLog,
  });
  const known = withAuthority(withCode(undefined, code({ pins: [first] })), ca);
  assert.equal(withPins(known, [first]), known);
  const both = withPins(known, [first, pin(2)]);
  assert.deepEqual([both.pins, both.cas], [[first, pin(2)], [ca]]);
  const later = withPins(both, [pin(2)]);
  assert.deepEqual([later.pins, later.cas], [[pin(2)], []]);
  assert.equal(withPins(later, []), later, 'a node never trusts nobody');
  const withoutTls = withCode(undefined, code({ pins: [] }));
  assert.equal(withPins(withoutTls, [first]), withoutTls);
});

test('somebody on the machine may name a CA to trust, if the node reaches a cluster by TLS', () => {
  const known = withCode(undefined, code());
  assert.deepEqual(withTrusted(known, pin(9)).pins, [pin(9), pin(1)]);
  assert.throws(() => withTrusted(undefined, pin(9)), { code: 'not_found' });
  assert.throws(() => withTrusted(withCode(undefined, code({ pins: [] })), pin(9)), { code: 'conflict' });
  assert.throws(() => withTrusted(known, 'x'), { code: 'usage' });
});
