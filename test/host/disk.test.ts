// The data folder's file system is asked once at a time, and one that hangs holds up nobody.
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { Disk, type Statfs } from '../../agent/host/disk.ts';
import { FakeClock } from '../support/fake-clock.ts';

/** A file system that answers when told to. */
function slowDisk() {
  const waiting: PromiseWithResolvers<Awaited<ReturnType<Statfs>>>[] = [];
  const read: Statfs = () => {
    const answer = Promise.withResolvers<Awaited<ReturnType<Statfs>>>();
    waiting.push(answer);
    return answer.promise;
  };
  return { waiting, disk: new Disk('/data', read) };
}

test('a real folder has room, and never more of it than there is', async () => {
  const disk = new Disk(tmpdir());
  assert.equal(disk.space, undefined);
  await disk.refresh();
  const { total = 0, available = 0 } = disk.space ?? {};
  assert.ok(total > 0 && available > 0 && available <= total);
});

test('while an answer is awaited nobody asks again, and the last one is used', async () => {
  const { waiting, disk } = slowDisk();
  const first = disk.refresh();
  waiting[0]?.resolve({ bsize: 4096, blocks: 100, bavail: 40 });
  await first;
  for (let i = 0; i < 1000; i++) void disk.refresh();
  assert.equal(waiting.length, 2);
  assert.deepEqual(disk.space, { total: 409_600, available: 163_840 });
  const second = disk.refresh();
  waiting[1]?.resolve({ bsize: 4096, blocks: 100, bavail: 10 });
  await second;
  assert.deepEqual(disk.space, { total: 409_600, available: 40_960 });
});

test('patience ends at its time, not before', async () => {
  const { waiting, disk } = slowDisk();
  const clock = new FakeClock();
  let answered = false;
  const asked = disk.ask(250, clock).then(space => {
    answered = true;
    return space;
  });
  await clock.advance(249);
  assert.equal(answered, false);
  await clock.advance(1);
  assert.equal(await asked, undefined);
  const again = disk.ask(250, clock);
  waiting[0]?.resolve({ bsize: 1, blocks: 7, bavail: 3 });
  assert.deepEqual(await again, { total: 7, available: 3 });
  assert.equal(clock.pending, 0);
});

test('a file system that fails has nothing to offer, until it answers again', async () => {
  const { waiting, disk } = slowDisk();
  const ask = async (settle: (index: number) => void, index: number) => {
    const done = disk.refresh();
    settle(index);
    await done;
  };
  const answer = (index: number) => waiting[index]?.resolve({ bsize: 1, blocks: 9, bavail: 5 });
  await ask(answer, 0);
  await ask(index => waiting[index]?.reject(new Error('EIO')), 1);
  assert.deepEqual(disk.space, { total: 9, available: 0 });
  await ask(answer, 2);
  assert.deepEqual(disk.space, { total: 9, available: 5 });
});
