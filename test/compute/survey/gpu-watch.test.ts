// The GPUs of a node between two looks: what is kept, what is new, and what is wrong.
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { GpuWatch } from '../../../agent/compute/survey/gpu-watch.ts';
import { openRecording } from '../../../agent/host/recording/recording.ts';
import { Replay } from '../../../agent/host/recording/replay.ts';
import { recordLog } from '../../support/log-lines.ts';
import { newFolder } from '../../support/temporary.ts';

const machine = async (name: string) =>
  new Replay(await openRecording(new URL(`../../fixtures/machines/${name}`, import.meta.url).pathname));

test('a first look finds the GPUs, and keeps them for the next start', async () => {
  const folder = await newFolder();
  const { log, lines } = recordLog();
  const watch = await GpuWatch.open(await machine('nvidia-8-gpus-mig'), folder, log);
  assert.deepEqual(
    [watch.usable, watch.driver, watch.faults, watch.usage()],
    [[], undefined, undefined, undefined],
  );
  assert.equal(await watch.look(), true);
  assert.equal(watch.usable.length, 8);
  assert.match(watch.driver ?? '', /^nvidia \d/);
  assert.equal(watch.usage()?.length, 8);
  assert.deepEqual(watch.faults, { unresponsive: [], missing: [] });
  assert.equal(await watch.look(), false, 'nothing is new');

  const again = await GpuWatch.open(await machine('small-vm'), folder, log);
  assert.deepEqual([again.usable, again.driver], [watch.usable, watch.driver], 'known before any look');
  assert.equal(await again.look(), true, 'all of them are gone');
  assert.deepEqual(again.usable, []);
  assert.deepEqual(lines, []);
});

test('a GPU that goes while the agent runs is missed, until somebody takes note', async () => {
  const folder = await newFolder();
  const full = await machine('nvidia-8-gpus-mig');
  const empty = await machine('small-vm');
  let now = full;
  // One agent whose machine changes under it.
  const inputs = new Proxy(full, {
    get: (_, name) => {
      const value = Reflect.get(now, name);
      return typeof value === 'function' ? value.bind(now) : value;
    },
  });
  const watch = await GpuWatch.open(inputs, folder, recordLog().log);
  await watch.look();
  now = empty;
  assert.equal(await watch.look(), true);
  assert.equal(watch.faults?.missing.length, 8);
  await watch.look(true);
  assert.deepEqual(watch.faults?.missing, []);
});

test('a driver that hangs from the start loses no GPU of the last run, and none of its memory', async () => {
  const folder = await newFolder();
  const { log } = recordLog();
  const full = await machine('nvidia-8-gpus-mig');
  const before = await GpuWatch.open(full, folder, log);
  await before.look();
  const late = { fault: { kind: 'late', reason: 'has not answered' } };
  const hung = new Proxy(full, {
    get: (target, name) => {
      if (name === 'nvml' || name === 'run') return async () => late;
      const value = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const watch = await GpuWatch.open(hung, folder, log);
  assert.equal(await watch.look(), false);
  assert.deepEqual([watch.usable, watch.driver], [before.usable, before.driver]);
  assert.notDeepEqual(watch.faults?.unresponsive, []);
});

test('what is kept and cannot be read is told, and looked for anew', async () => {
  const folder = await newFolder();
  for (const text of ['torn', '{"found":{"GPUs":"many"}}', '[]']) {
    await writeFile(join(folder, 'gpus.json'), text);
    const { log, lines } = recordLog();
    const watch = await GpuWatch.open(await machine('nvidia-8-gpus-mig'), folder, log);
    assert.deepEqual(watch.usable, []);
    assert.match(lines[0]?.message ?? '', /kept GPUs cannot be read/);
    await watch.look();
    assert.equal(watch.usable.length, 8);
  }
  assert.equal(JSON.parse(await readFile(join(folder, 'gpus.json'), 'utf8')).found.GPUs.length, 8);
});

test('what cannot be kept is told once, and kept as soon as it can be', async () => {
  const folder = join(await newFolder(), 'later');
  const { log, lines } = recordLog();
  const watch = await GpuWatch.open(await machine('nvidia-8-gpus-mig'), folder, log);
  assert.equal(await watch.look(), true);
  assert.equal(await watch.look(), false, 'it is no news again');
  assert.deepEqual(
    lines.map(({ message }) => message),
    ['the GPUs could not be kept, and are tried again; a restart knows nothing of them at first'],
  );
  await mkdir(folder);
  assert.equal(await watch.look(), false);
  const again = await GpuWatch.open(await machine('small-vm'), folder, log);
  assert.equal(again.usable.length, 8);
  assert.equal(lines.length, 1);
});
