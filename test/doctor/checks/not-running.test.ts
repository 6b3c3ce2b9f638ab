// Tests what the doctor says of a role that does not run here, in particular which node of `muster dev` it names.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { notRunning } from '../../../agent/doctor/checks/not-running.ts';
import { surroundings } from '../../config/surroundings.ts';
import { newFolder } from '../../support/temporary.ts';
import { context } from './context.ts';

test('the node of muster dev in the checkout comes before the one in the data folder', async () => {
  const [data, checkout] = [await newFolder(), await newFolder()];
  const environment = surroundings({}, { checkout });
  const named = async () => (await notRunning(context({ data }), 'agent', environment)).remedy ?? '';
  assert.match(await named(), /^start it: muster agent/);
  await mkdir(join(data, 'dev', 'node-1'), { recursive: true });
  assert.match(await named(), new RegExp(`--data-dir ${data}/dev/node-1$`));
  await mkdir(join(checkout, '.tools', 'dev', 'node-1'), { recursive: true });
  assert.match(await named(), new RegExp(`--data-dir ${checkout}/.tools/dev/node-1$`));
});
