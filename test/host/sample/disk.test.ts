// The data folder's file system is asked once at a time, and one that hangs holds up nobody.
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import type { Answer } from '../../../agent/host/inputs/inputs.ts';
import { loadProbe } from '../../../agent/host/native/native-probe.ts';
import { Disk, readDiskSpace, type Space } from '../../../agent/host/sample/disk.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** A file system that answers when told to. */
function slowDisk() {
  const waiting: ((answer: Pick<Answer<Space>, 'value' | 'fault'>) => void)[] = [];
  const disk = new Disk(async () => {
    const { promise, resolve } = Promise.withResolvers<Pick<Answer<Space>, 'value' | 'fault'>>();
    waiting.push(resolve);
    return { ...(await promise), took: 0 };
  });
  return { waiting, disk };
}

test('what an ordinary user may fill is available, by the probe and by Node', async () => {
  const inodes = { inodes: 0, inodesFree: 0, inodesAvailable: 0 };
  const disk = async () => ({ total: 100, free: 50, available: 40, ...inodes });
  assert.deepEqual(await readDiskSpace('/', 1000, { disk }), { total: 100, available: 40 });
  const node = async () => ({ bsize: 10, blocks: 10, bfree: 5, bavail: 4 });
  assert.deepEqual(await readDiskSpace('/', 1000, undefined, node), { total: 100, available: 40 });
});

test('a real folder has room, and never more of it than there is; one that is not there is an error', async () => {
  for (const probe of [undefined, loadProbe().probe]) {
    const { total, available } = await readDiskSpace(tmpdir(), 60_000, probe);
    assert.ok(total > 0 && available > 0 && available <= total);
    await assert.rejects(readDiskSpace('/nonexistent/folder', 60_000, probe), { code: 'ENOENT' });
  }
});

test('while an answer is awaited nobody asks again, and the last one is used', async () => {
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

test('patience ends at its time, not before', async () => {
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

test('a file system that fails has nothing to offer, one that is late what it had, until it answers again', async () => {
  const { waiting, disk } = slowDisk();
  const answer = async (answer: Pick<Answer<Space>, 'value' | 'fault'>) => {
    const done = disk.refresh();
    waiting.pop()?.(answer);
    await done;
    return [disk.space?.total, disk.space?.available, disk.late];
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
