// A library that ends the process is found out at the next start, and not called again for the same driver.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { type CrashGuard, crashGuard, readOnlyCrashGuard } from '../../../agent/host/gpu/crash-guard.ts';
import { FakeClock } from '../../support/fake-clock.ts';
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

/** A process that ends in the middle of a call. */
async function end(folder: string, circumstances: string, started?: CrashGuard): Promise<void> {
  const guard = started ?? (await crashGuard(folder, circumstances));
  const { promise: called, resolve } = Promise.withResolvers<void>();
  void guard.around(() => {
    resolve();
    return new Promise(() => undefined);
  });
  await called;
}

test('one end in the middle of a call may be the process’s own, two in a row are the library’s', async () => {
  const folder = await newFolder();
  await end(folder, 'driver 550, boot 1');
  assert.equal((await crashGuard(folder, 'driver 550, boot 1')).fault, undefined);
  await end(folder, 'driver 550, boot 1');
  const next = await crashGuard(folder, 'driver 550, boot 1');
  assert.match(
    next.fault ?? '',
    /the last 2 processes that called it ended meanwhile; remove .*nvml-called and restart the agent to try again$/,
  );
  // The agent remembers: the file alone does not do.
  await rm(mark(folder));
  await assert.rejects(next.around(() => assert.fail('it was called')));
  await end(folder, 'driver 550, boot 1');
  await end(folder, 'driver 550, boot 1');
  await assert.rejects(
    next.around(() => assert.fail('it was called')),
    /is not called/,
  );
  assert.equal((await crashGuard(folder, 'driver 560, boot 1')).fault, undefined);
  assert.equal((await crashGuard(folder, 'driver 550, boot 2')).fault, undefined);
});

test('a library that ends a later call is found out like one that ends the first', async () => {
  const folder = await newFolder();
  for (let process = 0; process < 2; process++) {
    const guard = await crashGuard(folder, 'boot 1');
    assert.equal(guard.fault, undefined);
    await guard.around(async () => 'this one returns');
    assert.ok(!existsSync(mark(folder)));
    await end(folder, 'boot 1', guard);
  }
  assert.match((await crashGuard(folder, 'boot 1')).fault ?? '', /is not called/);
});

test('a process that ended in no call makes up for those before it', async () => {
  const folder = await newFolder();
  await end(folder, 'boot 1');
  await (await crashGuard(folder, 'boot 1')).around(async () => 'this one returns');
  await end(folder, 'boot 1');
  assert.equal((await crashGuard(folder, 'boot 1')).fault, undefined);
});

test('a process that ends in order blames no call that is under way, and begins none', async () => {
  const folder = await newFolder();
  const guard = await crashGuard(folder, 'boot 1');
  await end(folder, 'boot 1', guard);
  assert.ok(existsSync(mark(folder)));
  await guard.release();
  assert.ok(!existsSync(mark(folder)));
  await assert.rejects(
    guard.around(() => assert.fail('it was called')),
    /this process ends/,
  );
});

test('a mark that is being written as the process ends in order goes, too', async () => {
  const folder = await newFolder();
  const guard = await crashGuard(folder, 'boot 1');
  void guard.around(() => new Promise(() => undefined));
  await guard.release();
  assert.ok(!existsSync(mark(folder)));
});

test('a folder that does not answer holds an end in order up for no longer than the broker does', async () => {
  const folder = await newFolder();
  const clock = new FakeClock();
  const guard = await crashGuard(folder, 'boot 1', clock);
  // Who writes to a pipe waits for its reader.
  await promisify(execFile)('mkfifo', [mark(folder)]);
  const call = guard.around(async () => undefined);
  let released = false;
  void guard.release().then(() => {
    released = true;
  });
  await clock.advance(300);
  const inTime = released;
  await readFile(mark(folder));
  await clock.advance(10_000);
  await call;
  assert.equal(inTime, true);
});

test('an end in order does not clear a library that is left alone', async () => {
  const folder = await newFolder();
  await end(folder, 'boot 1');
  await end(folder, 'boot 1');
  await (await crashGuard(folder, 'boot 1')).release();
  assert.match((await crashGuard(folder, 'boot 1')).fault ?? '', /is not called/);
});

test('the end of other circumstances does not count', async () => {
  const folder = await newFolder();
  await end(folder, 'boot 1');
  await end(folder, 'boot 2');
  assert.equal((await crashGuard(folder, 'boot 2')).fault, undefined);
});

test('a folder that cannot be written does not keep it from being called', async () => {
  const guard = await crashGuard(join(await newFolder(), 'nowhere'), 'boot 1');
  assert.equal(await guard.around(async () => 7), 7);
});

test('who only looks leaves alone what the agent leaves alone, and writes nothing', async () => {
  const folder = await newFolder();
  const look = (circumstances = 'boot 1') => readOnlyCrashGuard(folder, async () => circumstances);
  const called = (guard: ReturnType<typeof look>) => guard(async () => existsSync(mark(folder)));
  assert.equal(await called(look()), false, 'there is no mark while it calls');
  await end(folder, 'boot 1');
  assert.equal(await called(look()), true, 'one end may be luck');
  await end(folder, 'boot 1');
  const before = readFileSync(mark(folder), 'utf8');
  await assert.rejects(called(look()), /is not called, as the last 2 processes/);
  assert.equal(readFileSync(mark(folder), 'utf8'), before);
  assert.equal(await called(look('boot 2')), true);
});

test('a mark that cannot be read is one, but to who only looks', async () => {
  const folder = await newFolder();
  await mkdir(mark(folder));
  assert.equal(await readOnlyCrashGuard(folder, async () => 'boot 1')(async () => 7), 7);
  const { fault } = await crashGuard(folder, 'driver 550, boot 1');
  assert.match(
    fault ?? '',
    /^is not called, as .*nvml-called, .* cannot be read; remove it and restart the agent$/,
  );
});
