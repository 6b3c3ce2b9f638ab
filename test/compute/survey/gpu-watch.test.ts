// Checks what a node knows of its GPUs between two scans: which are saved, what changed, and what is wrong.
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

test('the first scan finds the GPUs and saves them for the next start', async () => {
  const folder = await newFolder();
  const { log, lines } = recordLog();
  const watch = await GpuWatch.open(await machine('nvidia-8-gpus-mig'), folder, log);
  assert.deepEqual(
    [watch.usable, watch.driver, watch.faults, watch.usage()],
    [[], undefined, undefined, undefined],
  );
  assert.equal(await watch.scan(), true);
  assert.equal(watch.usable.length, 8);
  assert.match(watch.driver ?? '', /^nvidia \d/);
  assert.equal(watch.usage()?.length, 8);
  assert.deepEqual(watch.faults, { unresponsive: [], missing: [] });
  assert.equal(await watch.scan(), false, 'nothing changed');

  const again = await GpuWatch.open(await machine('small-vm'), folder, log);
  assert.deepEqual(
    [again.usable, again.driver],
    [watch.usable, watch.driver],
    'they are known before any scan',
  );
  assert.equal(await again.scan(), true, 'all of them are gone');
  assert.deepEqual(again.usable, []);
  assert.deepEqual(lines, []);
});

test('a GPU that disappears while the agent runs is reported as missing until all sources are asked by hand', async () => {
  const folder = await newFolder();
  const full = await machine('nvidia-8-gpus-mig');
  const empty = await machine('small-vm');
  let now = full;
  // One agent, whose machine changes while it runs.
  const inputs = new Proxy(full, {
    get: (_, name) => {
      const value = Reflect.get(now, name);
      return typeof value === 'function' ? value.bind(now) : value;
    },
  });
  const watch = await GpuWatch.open(inputs, folder, recordLog().log);
  await watch.scan();
  now = empty;
  assert.equal(await watch.scan(), true);
  assert.equal(watch.faults?.missing.length, 8);
  await watch.scan(true);
  assert.deepEqual(watch.faults?.missing, []);
});

test('while a driver hangs from the start, the GPUs of the last run stay offered with their memory', async () => {
  const folder = await newFolder();
  const { log } = recordLog();
  const full = await machine('nvidia-8-gpus-mig');
  const before = await GpuWatch.open(full, folder, log);
  await before.scan();
  const late = { fault: { kind: 'late', reason: 'has not answered' } };
  const hung = new Proxy(full, {
    get: (target, name) => {
      if (name === 'nvml' || name === 'run') return async () => late;
      const value = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const watch = await GpuWatch.open(hung, folder, log);
  assert.equal(await watch.scan(), false);
  assert.deepEqual([watch.usable, watch.driver], [before.usable, before.driver]);
  assert.notDeepEqual(watch.faults?.unresponsive, []);
});

test('saved GPUs that cannot be read are logged, and found again by a scan', async () => {
  const folder = await newFolder();
  for (const text of ['torn', '{"found":{"GPUs":"many"}}', '[]']) {
    await writeFile(join(folder, 'gpus.json'), text);
    const { log, lines } = recordLog();
    const watch = await GpuWatch.open(await machine('nvidia-8-gpus-mig'), folder, log);
    assert.deepEqual(watch.usable, []);
    assert.match(lines[0]?.message ?? '', /saved GPUs cannot be read/);
    await watch.scan();
    assert.equal(watch.usable.length, 8);
  }
  assert.equal(JSON.parse(await readFile(join(folder, 'gpus.json'), 'utf8')).found.GPUs.length, 8);
});

test('GPUs that cannot be saved are logged once, and saved as soon as that works', async () => {
  const folder = join(await newFolder(), 'later');
  const { log, lines } = recordLog();
  const watch = await GpuWatch.open(await machine('nvidia-8-gpus-mig'), folder, log);
  assert.equal(await watch.scan(), true);
  assert.equal(await watch.scan(), false, 'it changed once');
  assert.deepEqual(
    lines.map(({ message }) => message),
    ['the GPUs could not be saved; it is tried again at the next scan, and a restart knows none at first'],
  );
  await mkdir(folder);
  assert.equal(await watch.scan(), false);
  const again = await GpuWatch.open(await machine('small-vm'), folder, log);
  assert.equal(again.usable.length, 8);
  assert.equal(lines.length, 1);
});
