// Folders take the place of others, and a start finishes what a killed restore began.
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { finishExchange, planExchange, type Step } from '../../agent/roles/exchange-folders.ts';
import { newFolder } from '../support/temporary.ts';

const steps: Step[] = [
  { from: 'broker', to: 'broker.before-1' },
  { from: 'broker.restored', to: 'broker' },
  { from: 'requester', to: 'requester.before-1' },
  { from: 'requester.restored', to: 'requester' },
];

async function makeData(): Promise<string> {
  const data = await newFolder();
  for (const name of ['broker', 'requester', 'broker.restored', 'requester.restored']) {
    await mkdir(join(data, name));
    await writeFile(join(data, name, 'which'), name.includes('restored') ? 'new' : 'old');
  }
  return data;
}

async function assertExchanged(data: string): Promise<void> {
  const names = ['broker', 'broker.before-1', 'requester', 'requester.before-1'];
  assert.deepEqual((await readdir(data)).sort(), names);
  const contents = names.map(name => readFile(join(data, name, 'which'), 'utf8'));
  assert.deepEqual(await Promise.all(contents), ['new', 'old', 'new', 'old']);
}

test('folders take the place of others', async () => {
  const data = await makeData();
  await planExchange(data, steps);
  await finishExchange(data);
  await assertExchanged(data);
  await finishExchange(data);
  await assertExchanged(data);
});

test('a restore that was killed after any step is finished by the next start', async () => {
  for (let done = 0; done <= steps.length; done++) {
    const data = await makeData();
    await writeFile(join(data, 'restore.json'), JSON.stringify({ steps }));
    for (const { from, to } of steps.slice(0, done)) await rename(join(data, from), join(data, to));
    // A start between two steps makes an empty folder.
    if (done === 3) await mkdir(join(data, 'requester'));
    await Promise.all([finishExchange(data), finishExchange(data)]);
    await assertExchanged(data);
  }
});

test('a file that names other folders is refused', async () => {
  const data = await makeData();
  for (const text of ['{"steps":[{"from":"requester","to":"../elsewhere"}]}', 'not JSON']) {
    await writeFile(join(data, 'restore.json'), text);
    await assert.rejects(finishExchange(data), { code: 'bad_state' });
  }
  assert.equal(await readFile(join(data, 'requester', 'which'), 'utf8'), 'old');
});
