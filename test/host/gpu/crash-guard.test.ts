// Tests that a library that crashes the process is noticed at the next start, and not called again with the same driver.
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

test('a call that returns or fails leaves no mark', async () => {
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

/** Acts like a process that ends during a call. */
async function endDuringCall(folder: string, circumstances: string, started?: CrashGuard): Promise<void> {
  const guard = started ?? (await crashGuard(folder, circumstances));
  const { promise: called, resolve } = Promise.withResolvers<void>();
  void guard.around(() => {
    resolve();
    return new Promise(() => undefined);
  });
  await called;
}

test('after two processes in a row that ended during a call the library is not called', async () => {
  const folder = await newFolder();
  await endDuringCall(folder, 'driver 550, boot 1');
  assert.equal((await crashGuard(folder, 'driver 550, boot 1')).fault, undefined);
  await endDuringCall(folder, 'driver 550, boot 1');
  const next = await crashGuard(folder, 'driver 550, boot 1');
  assert.match(
    next.fault ?? '',
    /the last 2 processes that called it ended during the call; remove .*nvml-called and restart the agent to try again$/,
  );
  // Removing the file is not enough: the agent must be restarted.
  await rm(mark(folder));
  await assert.rejects(next.around(() => assert.fail('it was called')));
  await endDuringCall(folder, 'driver 550, boot 1');
  await endDuringCall(folder, 'driver 550, boot 1');
  await assert.rejects(
    next.around(() => assert.fail('it was called')),
    /is not called/,
  );
  assert.equal((await crashGuard(folder, 'driver 560, boot 1')).fault, undefined);
  assert.equal((await crashGuard(folder, 'driver 550, boot 2')).fault, undefined);
});

test('a crash in a later call counts like a crash in the first one', async () => {
  const folder = await newFolder();
  for (let process = 0; process < 2; process++) {
    const guard = await crashGuard(folder, 'boot 1');
    assert.equal(guard.fault, undefined);
    await guard.around(async () => 'this one returns');
    assert.ok(!existsSync(mark(folder)));
    await endDuringCall(folder, 'boot 1', guard);
  }
  assert.match((await crashGuard(folder, 'boot 1')).fault ?? '', /is not called/);
});

test('a process whose call returned resets the count', async () => {
  const folder = await newFolder();
  await endDuringCall(folder, 'boot 1');
  await (await crashGuard(folder, 'boot 1')).around(async () => 'this one returns');
  await endDuringCall(folder, 'boot 1');
  assert.equal((await crashGuard(folder, 'boot 1')).fault, undefined);
});

test('a process that ends normally removes the mark and starts no further call', async () => {
  const folder = await newFolder();
  const guard = await crashGuard(folder, 'boot 1');
  await endDuringCall(folder, 'boot 1', guard);
  assert.ok(existsSync(mark(folder)));
  await guard.release();
  assert.ok(!existsSync(mark(folder)));
  await assert.rejects(
    guard.around(() => assert.fail('it was called')),
    /this process ends/,
  );
});

test('a mark that is being written when the process ends normally is removed too', async () => {
  const folder = await newFolder();
  const guard = await crashGuard(folder, 'boot 1');
  void guard.around(() => new Promise(() => undefined));
  await guard.release();
  assert.ok(!existsSync(mark(folder)));
});

test('a folder that hangs delays a normal end by at most 300 ms', async () => {
  const folder = await newFolder();
  const clock = new FakeClock();
  const guard = await crashGuard(folder, 'boot 1', clock);
  // Writing to a pipe waits for a reader.
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

test('a normal end does not reset the count of a library that is not called', async () => {
  const folder = await newFolder();
  await endDuringCall(folder, 'boot 1');
  await endDuringCall(folder, 'boot 1');
  await (await crashGuard(folder, 'boot 1')).release();
  assert.match((await crashGuard(folder, 'boot 1')).fault ?? '', /is not called/);
});

test('a mark with other circumstances does not count', async () => {
  const folder = await newFolder();
  await endDuringCall(folder, 'boot 1');
  await endDuringCall(folder, 'boot 2');
  assert.equal((await crashGuard(folder, 'boot 2')).fault, undefined);
});

test('the library is called even if the folder cannot be written', async () => {
  const guard = await crashGuard(join(await newFolder(), 'nowhere'), 'boot 1');
  assert.equal(await guard.around(async () => 7), 7);
});

test('the read-only guard obeys the mark of the agent and writes nothing', async () => {
  const folder = await newFolder();
  const guardFor = (circumstances = 'boot 1') => readOnlyCrashGuard(folder, async () => circumstances);
  const called = (guard: ReturnType<typeof guardFor>) => guard(async () => existsSync(mark(folder)));
  assert.equal(await called(guardFor()), false, 'there is no mark during the call');
  await endDuringCall(folder, 'boot 1');
  assert.equal(await called(guardFor()), true, 'one crash is not enough');
  await endDuringCall(folder, 'boot 1');
  const before = readFileSync(mark(folder), 'utf8');
  await assert.rejects(called(guardFor()), /is not called, because the last 2 processes/);
  assert.equal(readFileSync(mark(folder), 'utf8'), before);
  assert.equal(await called(guardFor('boot 2')), true);
});

test('a mark that cannot be read stops the agent from calling, but not a read-only guard', async () => {
  const folder = await newFolder();
  await mkdir(mark(folder));
  assert.equal(await readOnlyCrashGuard(folder, async () => 'boot 1')(async () => 7), 7);
  const { fault } = await crashGuard(folder, 'driver 550, boot 1');
  assert.match(
    fault ?? '',
    /^is not called, because .*nvml-called, .* cannot be read; remove it and restart the agent$/,
  );
});
