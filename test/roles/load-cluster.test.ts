// An agent takes the join code of its settings once, and a node that is in a cluster needs it no more.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  type KnownCluster,
  readClusterFile,
  withoutCode,
  writeClusterFile,
} from '../../agent/compute/registration/cluster-file.ts';
import { encodeJoinCode, type JoinCode, joinToken } from '../../agent/protocol/join-code.ts';
import { loadCluster } from '../../agent/roles/load-cluster.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { recordLog } from '../support/log-lines.ts';
import { newFolder } from '../support/temporary.ts';

const clock = new FakeClock(new Date('2026-01-01T00:00:00Z'));
const now = clock.now().getTime() / 1_000;
const code = (more: Partial<JoinCode> = {}): JoinCode => ({
  servers: ['nats://127.0.0.1:4222'],
  pins: [],
  token: joinToken('abcdefgh23', Buffer.alloc(16, 1)),
  cluster: 'c-1',
  endsAt: now + 3_600,
  ...more,
});
const line = encodeJoinCode(code());
const ended = encodeJoinCode(code({ endsAt: now - 3_600 }));

async function begin() {
  const folder = await newFolder();
  const { log, lines } = recordLog();
  const load = (settings: { code?: string; codeFile?: string } = {}) =>
    loadCluster({ folder, join: { code: undefined, codeFile: undefined, ...settings }, clock, log });
  return { folder, load, lines };
}

test('a new node takes the code of its settings, from the setting or from a file', async () => {
  const first = await begin();
  assert.equal(await first.load(), undefined);
  const known = await first.load({ code: line });
  assert.equal(known?.code, code().token);
  assert.deepEqual(await readClusterFile(first.folder), known);
  const second = await begin();
  const file = join(second.folder, 'code');
  await writeFile(file, `${line}\n`);
  assert.deepEqual(await second.load({ codeFile: file }), known);
});

test('a bad code stops a new node with what is wrong with it', async () => {
  const { folder, load } = await begin();
  const rows: [Parameters<typeof load>[0], RegExp][] = [
    [{ code: line.slice(0, -3) }, /^join\.code: a part of the join code is missing/],
    [{ code: ended }, /^join\.code: the join code ended at .*, 60 min ago by the clock of this machine/],
    [{ codeFile: join(folder, 'none') }, /^join\.codeFile: there is no file /],
  ];
  for (const [settings, text] of rows)
    await assert.rejects(load(settings), error => {
      assert.match((error as Error).message, text);
      return (error as { code?: string }).code === 'bad_config';
    });
  assert.equal(await readClusterFile(folder), undefined);
});

test('a node that is in a cluster starts whatever became of its code', async () => {
  const { folder, load, lines } = await begin();
  await load({ code: line });
  const used = withoutCode((await readClusterFile(folder)) as KnownCluster);
  await writeClusterFile(folder, used);
  for (const settings of [
    { code: line },
    { code: ended },
    { code: 'torn' },
    { codeFile: join(folder, 'none') },
    {},
  ])
    assert.deepEqual(await load(settings), used);
  assert.ok(lines.every(({ level }) => level !== 'warn'));
});

test('a code of another cluster in the settings moves no node, and the log says how to move it', async () => {
  const { load, lines } = await begin();
  await load({ code: line });
  const known = await load({
    code: encodeJoinCode(code({ cluster: 'c-2', token: joinToken('bbbbbbbbbb', Buffer.alloc(16)) })),
  });
  assert.equal(known?.cluster, 'c-1');
  assert.ok(lines.some(({ message }) => /is for another cluster and is not used; .*--move/.test(message)));
});
