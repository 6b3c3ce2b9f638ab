// A library that ends the process is found out at the next start, and not called again for the same driver.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { crashGuard } from '../../../agent/host/gpu/crash-guard.ts';
import { newFolder } from '../../support/temporary.ts';

const mark = (folder: string) => join(folder, 'nvml-called');

test('a call that returns, or fails, leaves no mark', async () => {
  const folder = await newFolder();
  const guard = await crashGuard(folder, 'driver 550, boot 1');
  assert.equal(guard.fault, undefined);
  const answer = await guard.around(async () => {
    assert.ok(existsSync(mark(folder)));
    return 7;
  });
  assert.equal(answer, 7);
  await assert.rejects(
    guard.around(() => Promise.reject(new Error('no luck'))),
    /no luck/,
  );
  assert.ok(!existsSync(mark(folder)));
});

test('a mark that is left stops the next process, and another driver or boot lets it try again', async () => {
  const folder = await newFolder();
  const guard = await crashGuard(folder, 'driver 550, boot 1');
  // The process ends in the middle of the call.
  void guard.around(() => new Promise(() => undefined));
  while (!existsSync(mark(folder))) await new Promise(resolve => setImmediate(resolve));
  const next = await crashGuard(folder, 'driver 550, boot 1');
  assert.match(next.fault ?? '', /the last call ended the process .* remove .*nvml-called/);
  await assert.rejects(
    next.around(() => assert.fail('it was called')),
    /is not called/,
  );
  assert.equal((await crashGuard(folder, 'driver 560, boot 1')).fault, undefined);
  assert.equal((await crashGuard(folder, 'driver 550, boot 2')).fault, undefined);
});

test('a mark that cannot be read is one', async () => {
  const folder = await newFolder();
  await mkdir(mark(folder));
  assert.notEqual((await crashGuard(folder, 'driver 550, boot 1')).fault, undefined);
});
