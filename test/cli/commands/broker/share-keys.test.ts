// Runs `muster broker share-keys` and `take-keys`: what they print, and what they refuse.
import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { newFolder } from '../../../support/temporary.ts';
import { muster } from '../../program.ts';

test('the keys go through a file of mode 600, and the key of the other requester is printed alone', async t => {
  const folder = await newFolder();
  const file = join(folder, 'keys.json');
  const [one, other] = [join(folder, 'one'), join(folder, 'other')];
  const shared = await muster(t, ['broker', 'share-keys', '--save', file, '--data-dir', one]);
  assert.deepEqual([shared.code, shared.stdout], [0, ''], shared.stderr);
  assert.match(shared.stderr, /this machine only:\nfor a requester on another one, set broker\.host first/);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const taken = await muster(t, ['broker', 'take-keys', file, '--data-dir', other]);
  assert.equal(taken.code, 0, taken.stderr);
  for (const line of shared.stderr.split('\n')) assert.ok(line.length <= 80, line);
  assert.match(taken.stdout, /^U[A-Z2-7]{55}\n$/);
  assert.match(taken.stderr, /broker\.requesters of the first requester/);
  assert.match(taken.stderr, /nats\.servers of this requester: nats:\/\/127\.0\.0\.1:4222/);
  const key = taken.stdout.trim();
  const config = await muster(t, ['broker', 'config', '--data-dir', one, '--broker-requesters', key]);
  assert.match(config.stdout, new RegExp(`users: \\[ \\{ nkey: U[A-Z2-7]{55} \\}, \\{ nkey: ${key} \\} \\]`));
  assert.match(config.stdout, new RegExp(`auth_users: \\[ U[A-Z2-7]{55}, ${key} \\]`));
});

test('a file without such keys is refused, and so is one that is not there', async t => {
  const folder = await newFolder();
  const file = join(folder, 'keys.json');
  const take = () => muster(t, ['broker', 'take-keys', file, '--data-dir', join(folder, 'other')]);
  const none = await take();
  assert.deepEqual([none.code, none.stdout], [1, '']);
  assert.match(none.stderr, /there is no file .*keys\.json/);
  await writeFile(file, '{"musterKeys": 7}');
  const newer = await take();
  assert.deepEqual([newer.code, newer.stdout], [1, '']);
  assert.match(newer.stderr, /a newer version of muster has written it.*\nHint: .*share-keys --save FILE/);
});
