// What is available now, from what the kernel counts.
import assert from 'node:assert/strict';
import os from 'node:os';
import { test } from 'node:test';
import fc from 'fast-check';
import { loadProbe } from '../../../agent/host/native/native-probe.ts';
import { Disk } from '../../../agent/host/sample/disk.ts';
import {
  type KernelFiguresReader,
  type NodeSources,
  nativeFiguresReader,
  nodeFiguresReader,
} from '../../../agent/host/sample/kernel-figures.ts';
import { Sampler } from '../../../agent/host/sample/sampler.ts';
import type * as Native from '../../../native/index.d.ts';

const stat = (line: string, cpus = 2) =>
  `cpu  ${line}\n${Array.from({ length: cpus }, (_, i) => `cpu${i} ${line}`).join('\n')}\nintr 5 4 3\n`;

/** A machine whose /proc files are what `files` holds at the time. */
const machine = (
  files: { meminfo?: string; stat?: string },
  more: Partial<NodeSources> = {},
): KernelFiguresReader =>
  nodeFiguresReader({
    proc: name => files[name],
    freemem: () => 1000,
    cpus: () => [],
    loadavg: () => [1, 2, 3],
    ...more,
  });

/** The native probe on a machine with these figures. */
const probe = (
  figures: Partial<Native.Sample>,
  cpus: ReturnType<NodeSources['cpus']> = [],
): KernelFiguresReader => {
  const none = { memoryTotal: 0, swapTotal: 0, swapFree: 0, load1: 1, load5: 2, load15: 3, uptime: 0 };
  const node = { proc: () => undefined, freemem: () => 1000, cpus: () => cpus, loadavg: () => [] };
  return nativeFiguresReader({ sample: () => ({ ...none, ...figures }) }, node);
};

/** CPU times as the probe gives them, in the order of /proc/stat; a tick of the kernel is 10 ms. */
function times(fields: number[], cpus = 2): Native.CpuTimes {
  const ms = fields.map(ticks => ticks * 10);
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = ms;
  return { cpus, user, nice, system, idle, iowait, irq, softirq, steal };
}

const noDisk = () => new Disk(() => new Promise(() => undefined));

test('memory is what could be had, caches included; without that figure, what is free', () => {
  const meminfo = 'MemTotal:  2000 kB\nMemFree:    10 kB\nMemAvailable:    512 kB\n';
  assert.equal(new Sampler(noDisk(), machine({ meminfo })).sample().memory, 524_288);
  assert.equal(new Sampler(noDisk(), machine({ meminfo: 'MemTotal: 2000 kB\n' })).sample().memory, 1000);
  assert.equal(new Sampler(noDisk(), machine({})).sample().memory, 1000);
  assert.equal(new Sampler(noDisk(), probe({ memoryAvailable: 524_288 })).sample().memory, 524_288);
  assert.equal(new Sampler(noDisk(), probe({})).sample().memory, 1000);
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

test('a sample that follows another at once tells its CPU figure, not that of an instant', () => {
  for (const by of ['node', 'probe']) {
    const files = { stat: stat('0 0 0 0 0 0 0 0') };
    const figures = { cpu: times([0, 0, 0, 0, 0, 0, 0, 0]) };
    const sampler = new Sampler(noDisk(), by === 'node' ? machine(files) : probe(figures));
    const at = (busy: number, idle: number) => {
      files.stat = stat(`${busy} 0 0 ${idle} 0 0 0 0`);
      figures.cpu = times([busy, 0, 0, idle, 0, 0, 0, 0]);
      return sampler.sample().cpu;
    };
    assert.equal(at(150, 50), 0.5, by);
    assert.equal(at(150, 50), 0.5, 'no time has passed');
    assert.equal(at(150, 54), 0.5, 'two ticks');
    assert.equal(at(250, 150), 1, 'they count in the next');
  }
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
  for (const by of ['node', 'probe']) {
    const times = { user: 0, nice: 0, sys: 0, idle: 0, irq: 0 };
    const cpus = [{ times }, { times }, { times }, { times }];
    const reader = by === 'node' ? machine({}, { cpus: () => cpus }) : probe({}, cpus);
    const sampler = new Sampler(noDisk(), reader);
    times.idle = 750;
    times.user = 250;
    assert.equal(sampler.sample().cpu, 3, by);
  }
});

test('the probe and Node give the same sample of the same machine', () => {
  const counters = fc.array(fc.nat({ max: 2 ** 31 }), { minLength: 8, maxLength: 8 });
  const readings = fc.array(fc.record({ counters, memory: fc.nat() }), { minLength: 2, maxLength: 5 });
  fc.assert(
    fc.property(readings, fc.integer({ min: 1, max: 8 }), (readings, cpus) => {
      const files: { meminfo?: string; stat?: string } = {};
      const figures: Partial<Native.Sample> = {};
      const samplers: Sampler[] = [];
      for (const { counters, memory } of readings) {
        files.stat = stat(counters.join(' '), cpus);
        files.meminfo = `MemAvailable: ${memory} kB\n`;
        Object.assign(figures, { cpu: times(counters, cpus), memoryAvailable: memory * 1024 });
        if (samplers.length === 0) {
          const byProbe: KernelFiguresReader = () => probe(figures)();
          samplers.push(new Sampler(noDisk(), machine(files)), new Sampler(noDisk(), byProbe));
        }
        const [node, native] = samplers.map(sampler => sampler.sample());
        assert.deepEqual(native, node);
      }
    }),
  );
});

test('a file system that hangs is asked once, and costs the samples nothing', () => {
  let asked = 0;
  const disk = new Disk(() => {
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

test('this machine, by the probe and by Node', () => {
  const native = loadProbe().probe;
  for (const reader of native ? [nodeFiguresReader(), nativeFiguresReader(native)] : [nodeFiguresReader()]) {
    const sampler = new Sampler(noDisk(), reader);
    const busyUntil = performance.now() + 50;
    while (performance.now() < busyUntil);
    const { memory, cpu = -1, load } = sampler.sample();
    assert.ok(memory > 0 && memory <= os.totalmem());
    assert.ok(cpu >= 0 && cpu < os.cpus().length, `${cpu} idle CPUs, one of which was busy`);
    assert.ok(load.length === 3 && load.every(value => value >= 0));
  }
});
