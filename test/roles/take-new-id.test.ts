// The id that an operator gave to a node is on its disk before the node uses it.
import assert from 'node:assert/strict';
import { chmod, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { takeNewId } from '../../agent/roles/take-new-id.ts';
import { limitedLog } from '../../agent/system/limited-log.ts';
import { readNodeId, writeNodeId } from '../../agent/system/node-id.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { recordLog } from '../support/log-lines.ts';
import { newFolder } from '../support/temporary.ts';

test('the new id takes the place of the former one, and the sentinel of that is removed', async () => {
  const folder = await newFolder();
  await writeNodeId(folder, 'old');
  await writeFile(join(folder, 'old.registration.json'), '{}');
  const { log } = recordLog();
  const options = { folder, node: 'old', newId: 'new', log, limitedLog: limitedLog(log, new FakeClock()) };
  assert.equal(await takeNewId(options), true);
  assert.equal(await readNodeId(folder), 'new');
  assert.deepEqual(await readdir(folder), ['node.yaml']);
});

test('an id that cannot be written is not taken', {
  skip: process.getuid?.() === 0 && 'root may write',
}, async () => {
  const folder = await newFolder();
  await writeNodeId(folder, 'old');
  await chmod(folder, 0o500);
  const { log, lines } = recordLog();
  const options = { folder, node: 'old', newId: 'new', log, limitedLog: limitedLog(log, new FakeClock()) };
  assert.equal(await takeNewId(options), false);
  await chmod(folder, 0o700);
  assert.equal(await readNodeId(folder), 'old');
  assert.match(JSON.stringify(lines), /cannot be written/);
});
