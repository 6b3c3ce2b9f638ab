// Tests that the data folder's file system is asked once at a time, and that one that hangs delays nobody.
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { type DiskSpace, readDiskSpace } from '../../../agent/host/inputs/disk-space.ts';
import type { Answer } from '../../../agent/host/inputs/inputs.ts';
import { loadProbe } from '../../../agent/host/native/native-probe.ts';
import { Disk } from '../../../agent/host/sample/disk.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** Returns a disk whose answers come when the test gives them. */
function slowDisk() {
  const waiting: ((answer: Pick<Answer<DiskSpace>, 'value' | 'fault'>) => void)[] = [];
  const disk = new Disk(async () => {
    const { promise, resolve } = Promise.withResolvers<Pick<Answer<DiskSpace>, 'value' | 'fault'>>();
    waiting.push(resolve);
    return { ...(await promise), took: 0 };
  });
  return { waiting, disk };
}

test('blocks that are reserved for root are not available, with the native probe and with Node', async () => {
  const inodes = { inodes: 0, inodesFree: 0, inodesAvailable: 0 };
  const disk = async () => ({ total: 100, free: 50, available: 40, ...inodes });
  assert.deepEqual(await readDiskSpace('/', 1000, { disk }), { total: 100, available: 40 });
  const node = async () => ({ bsize: 10, blocks: 10, bfree: 5, bavail: 4 });
  assert.deepEqual(await readDiskSpace('/', 1000, undefined, node), { total: 100, available: 40 });
});

test('a real folder has room, and a missing folder is an error', async () => {
  for (const probe of [undefined, loadProbe().probe]) {
    const { total, available } = await readDiskSpace(tmpdir(), 60_000, probe);
    assert.ok(total > 0 && available > 0 && available <= total);
    await assert.rejects(readDiskSpace('/nonexistent/folder', 60_000, probe), { code: 'ENOENT' });
  }
});

test('while an answer is awaited, nothing more is asked and the last answer is used', async () => {
  const { waiting, disk } = slowDisk();
  const first = disk.refresh();
  waiting[0]?.({ value: { total: 100, available: 40 } });
  await first;
  for (let i = 0; i < 1000; i++) void disk.refresh();
  assert.equal(waiting.length, 2);
  assert.deepEqual(disk.space, { total: 100, available: 40 });
  const second = disk.refresh();
  waiting[1]?.({ value: { total: 100, available: 10 } });
  await second;
  assert.deepEqual(disk.space, { total: 100, available: 10 });
});

test('`within` waits exactly as long as its time limit', async () => {
  const { waiting, disk } = slowDisk();
  const clock = new FakeClock();
  let answered = false;
  const asked = disk.within(250, clock).then(space => {
    answered = true;
    return space;
  });
  await clock.advance(249);
  assert.equal(answered, false);
  await clock.advance(1);
  assert.equal(await asked, undefined);
  const again = disk.within(250, clock);
  waiting[0]?.({ value: { total: 7, available: 3 } });
  assert.deepEqual(await again, { total: 7, available: 3 });
  assert.equal(clock.pending, 0);
});

test('a file system that fails has no room, and one that is late keeps its last answer', async () => {
  const { waiting, disk } = slowDisk();
  const answer = async (answer: Pick<Answer<DiskSpace>, 'value' | 'fault'>) => {
    const done = disk.refresh();
    waiting.pop()?.(answer);
    await done;
    return [disk.space?.total, disk.space?.available, disk.lateReason];
  };
  const late = { fault: { kind: 'late', reason: 'did not answer within 1 s' } } as const;
  const failed = { fault: { kind: 'failed', reason: 'failed: EIO' } } as const;
  assert.deepEqual(await answer(late), [undefined, undefined, 'did not answer within 1 s']);
  assert.deepEqual(await answer({ value: { total: 9, available: 5 } }), [9, 5, undefined]);
  assert.deepEqual(await answer(late), [9, 5, 'did not answer within 1 s']);
  assert.deepEqual(await answer(failed), [9, 0, undefined]);
  assert.deepEqual(await answer(late), [9, 0, 'did not answer within 1 s']);
  assert.deepEqual(await answer({ value: { total: 9, available: 4 } }), [9, 4, undefined]);
});
