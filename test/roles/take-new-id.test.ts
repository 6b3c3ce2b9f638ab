// The id that an operator gave to a node is on its disk before the node uses it.
import assert from 'node:assert/strict';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { takeNewId } from '../../agent/roles/take-new-id.ts';
import { readNodeId, writeNodeId } from '../../agent/system/node-id.ts';
import { recordLog } from '../support/log-lines.ts';
import { newFolder } from '../support/temporary.ts';

test('the new id takes the place of the former one, and the sentinel of that is removed', async () => {
  const folder = await newFolder();
  await writeNodeId(folder, 'old');
  await writeFile(join(folder, 'old.registration.json'), '{}');
  const { log } = recordLog();
  await takeNewId({ folder, node: 'old', newId: 'new', log });
  assert.equal(await readNodeId(folder), 'new');
  assert.deepEqual(await readdir(folder), ['node.yaml']);
});

test('an id that cannot be written is not taken, and the sentinel stays', async () => {
  const folder = await newFolder();
  await mkdir(join(folder, 'node.yaml', 'in-the-way'), { recursive: true });
  await writeFile(join(folder, 'old.registration.json'), '{}');
  const { log, lines } = recordLog();
  await assert.rejects(takeNewId({ folder, node: 'old', newId: 'new', log }), { code: 'not_writable' });
  assert.deepEqual((await readdir(folder)).sort(), ['node.yaml', 'old.registration.json']);
  assert.deepEqual(lines, []);
  await rm(join(folder, 'node.yaml'), { recursive: true });
  await takeNewId({ folder, node: 'old', newId: 'new', log });
  assert.equal(await readNodeId(folder), 'new');
});
