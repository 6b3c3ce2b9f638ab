// What is available now, from what the kernel counts.
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import fc from 'fast-check';
import { Disk } from '../../agent/host/disk.ts';
import { Sampler, type SampleSources } from '../../agent/host/sampler.ts';

const stat = (line: string, cpus = 2) =>
  `cpu  ${line}\n${Array.from({ length: cpus }, (_, i) => `cpu${i} ${line}`).join('\n')}\nintr 5 4 3\n`;

/** A machine whose /proc files are what `files` holds at the time. */
function machine(
  files: { meminfo?: string; stat?: string },
  more: Partial<SampleSources> = {},
): SampleSources {
  return {
    proc: name => files[name],
    freemem: () => 1000,
    cpus: () => [],
    loadavg: () => [1, 2, 3],
    ...more,
  };
}

const noDisk = () => new Disk('/data', () => new Promise(() => undefined));

test('memory is what could be had, caches included; without that figure, what is free', () => {
  const meminfo = 'MemTotal:  2000 kB\nMemFree:    10 kB\nMemAvailable:    512 kB\n';
  assert.equal(new Sampler(noDisk(), machine({ meminfo })).sample().memory, 524_288);
  assert.equal(new Sampler(noDisk(), machine({ meminfo: 'MemTotal: 2000 kB\n' })).sample().memory, 1000);
  assert.equal(new Sampler(noDisk(), machine({})).sample().memory, 1000);
});

test('idle CPUs: those waiting for a disk are idle, those stolen by the host are not, guests count once', () => {
  //                   user nice system idle iowait irq softirq steal guest guest_nice
  const files = { stat: stat('100 0 100 500 100 0 0 0 100 0') };
  const sampler = new Sampler(noDisk(), machine(files));
  files.stat = stat('150 0 100 550 150 0 0 50 150 0');
  assert.equal(sampler.sample().cpu, 1);
});

test('the CPU figure covers the time since the sample before; no time passed, no figure', () => {
  const files = { stat: stat('0 0 0 0 0 0 0 0') };
  const sampler = new Sampler(noDisk(), machine(files));
  assert.equal(sampler.sample().cpu, undefined);
  files.stat = stat('0 0 0 100 0 0 0 0');
  assert.equal(sampler.sample().cpu, 2);
  files.stat = stat('100 0 0 100 0 0 0 0');
  assert.equal(sampler.sample().cpu, 0);
});

test('idle counters that step back, or reset, stay within what can be', () => {
  const files = { stat: stat('100 0 0 100 50 0 0 0') };
  const sampler = new Sampler(noDisk(), machine(files));
  files.stat = stat('300 0 0 100 20 0 0 0');
  assert.equal(sampler.sample().cpu, 0);
  files.stat = stat('1 0 0 1 0 0 0 0');
  assert.equal(sampler.sample().cpu, undefined);
});

test('without /proc the times come from the operating system interface', () => {
  const times = { user: 0, nice: 0, sys: 0, idle: 0, irq: 0 };
  const cpus = [{ times }, { times }, { times }, { times }];
  const sampler = new Sampler(noDisk(), machine({}, { cpus: () => cpus }));
  times.idle = 750;
  times.user = 250;
  assert.equal(sampler.sample().cpu, 3);
});

test('a file system that hangs is asked once, and costs the samples nothing', () => {
  let asked = 0;
  const disk = new Disk('/data', () => {
    asked++;
    return new Promise(() => undefined);
  });
  const sampler = new Sampler(disk, machine({}));
  for (let i = 0; i < 10_000; i++) assert.equal(sampler.sample().disk, undefined);
  assert.equal(asked, 1);
});

test('any content of /proc gives a sample within bounds', () => {
  const line = fc.array(fc.nat(), { maxLength: 12 }).map(fields => stat(fields.join(' ')));
  const text = fc.option(fc.oneof(line, fc.string()), { nil: undefined });
  fc.assert(
    fc.property(text, text, text, (before, after, meminfo) => {
      const files: { meminfo?: string; stat?: string } = {};
      if (before !== undefined) files.stat = before;
      if (meminfo !== undefined) files.meminfo = meminfo;
      const sampler = new Sampler(noDisk(), machine(files));
      if (after !== undefined) files.stat = after;
      const { cpu = 0, memory } = sampler.sample();
      assert.ok(cpu >= 0 && cpu <= 2 && memory >= 0);
    }),
  );
});

test('this machine', async () => {
  const disk = new Disk(tmpdir());
  const sampler = new Sampler(disk);
  await disk.refresh();
  const sample = sampler.sample();
  assert.ok(sample.memory > 0 && (sample.disk ?? 0) > 0);
  assert.equal(sample.load.length, 3);
});
