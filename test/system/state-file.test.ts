// Tests a file that follows a value in memory, while the disk is slow, fails, or both.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { StateFile } from '../../agent/system/state-file.ts';

function fakeFile(stored = 'old') {
  const disk = {
    stored,
    writes: [] as string[],
    errors: [] as string[],
    fault: undefined as Error | undefined,
    gate: undefined as Promise<void> | undefined,
    atOnce: 0,
    most: 0,
  };
  const file = new StateFile<string>({
    initial: '',
    read: async () => {
      if (disk.fault) throw disk.fault;
      return disk.stored;
    },
    write: async value => {
      disk.most = Math.max(disk.most, ++disk.atOnce);
      disk.writes.push(value);
      await disk.gate;
      disk.atOnce--;
      if (disk.fault) throw disk.fault;
      disk.stored = value;
    },
    onReadError: () => disk.errors.push('read'),
    onWriteError: (_, value, isRepeated) => disk.errors.push(`write ${value}${isRepeated ? ' again' : ''}`),
  });
  return { disk, file };
}

test('a value that the file holds is not written', async () => {
  const { disk, file } = fakeFile();
  assert.equal(file.value, '');
  assert.equal(await file.load(), 'old');
  await file.set('old');
  await file.sync();
  assert.deepEqual(disk.writes, []);
  await file.set('new');
  await file.set('new');
  assert.deepEqual([disk.writes, disk.stored, file.value], [['new'], 'new', 'new']);
});

test('a file that cannot be read leaves the first value, and is written when there is another', async () => {
  const { disk, file } = fakeFile();
  disk.fault = new Error('torn');
  assert.equal(await file.load(), '');
  disk.fault = undefined;
  await file.set('new');
  assert.deepEqual([disk.errors, disk.stored], [['read'], 'new']);
});

test('while a write hangs, no second one begins; then only the newest value is written', async () => {
  const { disk, file } = fakeFile();
  const gate = Promise.withResolvers<void>();
  disk.gate = gate.promise;
  let ended = 0;
  for (const value of ['a', 'b', 'c']) void file.set(value).then(() => ended++);
  await turn();
  assert.deepEqual([disk.writes, ended, file.value], [['a'], 0, 'c']);
  gate.resolve();
  await file.sync();
  assert.deepEqual([disk.writes, disk.stored, disk.most], [['a', 'c'], 'c', 1]);
  await turn();
  assert.equal(ended, 3);
});

test('a failed write is tried again with the next call, not before', async () => {
  const { disk, file } = fakeFile();
  disk.fault = new Error('no space left');
  await file.set('a');
  await turn();
  assert.deepEqual(disk.writes, ['a']);
  await file.sync();
  assert.deepEqual(disk.errors, ['write a', 'write a again']);
  disk.fault = undefined;
  await file.sync();
  assert.equal(disk.stored, 'a');
  disk.fault = new Error('no space left');
  await file.set('b');
  assert.equal(disk.errors.at(-1), 'write b', 'after a success a failure is a first one');
});

test('a value that is set while the write of another fails gets its own attempt', async () => {
  const { disk, file } = fakeFile();
  const gate = Promise.withResolvers<void>();
  disk.gate = gate.promise;
  disk.fault = new Error('no space left');
  void file.set('a');
  const second = file.set('b');
  gate.resolve();
  await second;
  assert.deepEqual(disk.errors, ['write a', 'write b again']);
});
