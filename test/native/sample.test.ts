// Compares the samples of the native probe with Node and /proc.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import os from 'node:os';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { addonFile, probe } from './probe.ts';

test('memory and swap are those of /proc/meminfo', () => {
  const meminfo = readFileSync('/proc/meminfo', 'latin1');
  const bytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(meminfo)?.[1]) * 1024;
  const sample = probe.sample();
  assert.equal(sample.memoryTotal, bytes('MemTotal'));
  assert.equal(sample.swapTotal, bytes('SwapTotal'));
  assert.ok(sample.swapFree <= sample.swapTotal);
  const available = sample.memoryAvailable ?? 0;
  assert.ok(available > 0 && available < sample.memoryTotal, `${available} bytes available`);
});

test("CPU times are the sum of Node's, in milliseconds", () => {
  const sums = () => {
    const sum = { user: 0, nice: 0, sys: 0, idle: 0, irq: 0 };
    for (const { times } of os.cpus())
      for (const key of ['user', 'nice', 'sys', 'irq'] as const) sum[key] += times[key];
    return sum;
  };
  const before = sums();
  const { cpu } = probe.sample();
  const after = sums();
  assert.ok(cpu);
  assert.equal(cpu.cpus, os.cpus().length);
  // The time of each CPU is rounded down to a tick.
  const rounding = cpu.cpus * 10;
  for (const [ours, theirs] of [
    ['user', 'user'],
    ['nice', 'nice'],
    ['system', 'sys'],
    ['irq', 'irq'],
  ] as const) {
    assert.ok(cpu[ours] >= before[theirs], `${ours}: ${cpu[ours]} is less than ${before[theirs]}`);
    assert.ok(cpu[ours] <= after[theirs] + rounding, `${ours}: ${cpu[ours]} is more than ${after[theirs]}`);
  }
  assert.ok(cpu.idle > 0);
  for (const time of Object.values(cpu)) assert.ok(Number.isFinite(time) && time >= 0);
});

test('load, uptime and boot id are those of the system', () => {
  const before = { load: os.loadavg(), uptime: os.uptime() };
  const sample = probe.sample();
  const after = { load: os.loadavg(), uptime: os.uptime() };
  // Node gives only two digits after the point.
  for (const [index, ours] of [sample.load1, sample.load5, sample.load15].entries()) {
    const theirs = [before.load[index], after.load[index]];
    assert.ok(
      theirs.some(load => Math.abs((load ?? Number.NaN) - ours) <= 0.01),
      `${ours} is none of ${theirs}`,
    );
  }
  assert.ok(sample.uptime >= before.uptime - 0.02 && sample.uptime <= after.uptime + 0.02);
  assert.equal(sample.bootId, readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim());
});

test('a sample opens no file and starts no thread', () => {
  const counts = () => ['fd', 'task'].map(folder => readdirSync(`/proc/self/${folder}`).length);
  probe.sample();
  const before = counts();
  for (let i = 0; i < 1000; i++) probe.sample();
  assert.deepEqual(counts(), before);
});

test('several threads can take samples at a time, and end independently', async () => {
  const script = `
    const { sample } = require(${JSON.stringify(addonFile)});
    for (let i = 0; i < 1000; i++) sample();
    require('node:worker_threads').parentPort.postMessage(sample().memoryTotal);`;
  const workers = [1, 2, 3].map(() => new Worker(script, { eval: true }));
  const answers = workers.map(
    worker =>
      new Promise((resolve, reject) => {
        worker.once('message', resolve).once('error', reject);
      }),
  );
  for (let i = 0; i < 1000; i++) probe.sample();
  const { memoryTotal } = probe.sample();
  assert.deepEqual(await Promise.all(answers), [memoryTotal, memoryTotal, memoryTotal]);
  await Promise.all(workers.map(worker => worker.terminate()));
  assert.equal(probe.sample().memoryTotal, memoryTotal);
});
