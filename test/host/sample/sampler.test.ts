// Tests the sample of the available resources, which is computed from the counters of the kernel.
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

/** Returns the reader of a machine whose /proc files are what `files` holds at the time of a call. */
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

/** Returns the reader of a machine on which the native probe finds `figures`. */
const probe = (
  figures: Partial<Native.Sample>,
  cpus: ReturnType<NodeSources['cpus']> = [],
): KernelFiguresReader => {
  const none = { memoryTotal: 0, swapTotal: 0, swapFree: 0, load1: 1, load5: 2, load15: 3, uptime: 0 };
  const node = { proc: () => undefined, freemem: () => 1000, cpus: () => cpus, loadavg: () => [] };
  return nativeFiguresReader({ sample: () => ({ ...none, ...figures }) }, node);
};

/** Returns CPU times as the native probe gives them. `fields` are ticks of 10 ms in the order of /proc/stat. */
function times(fields: number[], cpus = 2): Native.CpuTimes {
  const ms = fields.map(ticks => ticks * 10);
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = ms;
  return { cpus, user, nice, system, idle, iowait, irq, softirq, steal };
}

const noDisk = () => new Disk(() => new Promise(() => undefined));

test('available memory includes caches; where the kernel does not give it, free memory counts', () => {
  const meminfo = 'MemTotal:  2000 kB\nMemFree:    10 kB\nMemAvailable:    512 kB\n';
  assert.equal(new Sampler(noDisk(), machine({ meminfo })).sample().memoryBytes, 524_288);
  assert.equal(new Sampler(noDisk(), machine({ meminfo: 'MemTotal: 2000 kB\n' })).sample().memoryBytes, 1000);
  assert.equal(new Sampler(noDisk(), machine({})).sample().memoryBytes, 1000);
  assert.equal(new Sampler(noDisk(), probe({ memoryAvailable: 524_288 })).sample().memoryBytes, 524_288);
  assert.equal(new Sampler(noDisk(), probe({})).sample().memoryBytes, 1000);
});

test('CPUs that wait for a disk are idle, CPUs that the host took are not, and guests count once', () => {
  //                   user nice system idle iowait irq softirq steal guest guest_nice
  const files = { stat: stat('100 0 100 500 100 0 0 0 100 0') };
  const sampler = new Sampler(noDisk(), machine(files));
  files.stat = stat('150 0 100 550 150 0 0 50 150 0');
  assert.equal(sampler.sample().idleCpus, 1);
});

test('idle CPUs are counted since the previous sample, and are unknown when no time has passed', () => {
  const files = { stat: stat('0 0 0 0 0 0 0 0') };
  const sampler = new Sampler(noDisk(), machine(files));
  assert.equal(sampler.sample().idleCpus, undefined);
  files.stat = stat('0 0 0 100 0 0 0 0');
  assert.equal(sampler.sample().idleCpus, 2);
  files.stat = stat('100 0 0 100 0 0 0 0');
  assert.equal(sampler.sample().idleCpus, 0);
});

test('a sample shortly after another repeats its number of idle CPUs', () => {
  for (const by of ['node', 'probe']) {
    const files = { stat: stat('0 0 0 0 0 0 0 0') };
    const figures = { cpu: times([0, 0, 0, 0, 0, 0, 0, 0]) };
    const sampler = new Sampler(noDisk(), by === 'node' ? machine(files) : probe(figures));
    const at = (busy: number, idle: number) => {
      files.stat = stat(`${busy} 0 0 ${idle} 0 0 0 0`);
      figures.cpu = times([busy, 0, 0, idle, 0, 0, 0, 0]);
      return sampler.sample().idleCpus;
    };
    assert.equal(at(150, 50), 0.5, by);
    assert.equal(at(150, 50), 0.5, 'no time has passed');
    assert.equal(at(150, 54), 0.5, 'two ticks');
    assert.equal(at(250, 150), 1, 'the two ticks count in the next sample');
  }
});

test('idle counters that step back or restart give a possible result', () => {
  const files = { stat: stat('100 0 0 100 50 0 0 0') };
  const sampler = new Sampler(noDisk(), machine(files));
  files.stat = stat('300 0 0 100 20 0 0 0');
  assert.equal(sampler.sample().idleCpus, 0);
  files.stat = stat('1 0 0 1 0 0 0 0');
  assert.equal(sampler.sample().idleCpus, undefined);
});

test('without /proc the times come from node:os', () => {
  for (const by of ['node', 'probe']) {
    const times = { user: 0, nice: 0, sys: 0, idle: 0, irq: 0 };
    const cpus = [{ times }, { times }, { times }, { times }];
    const reader = by === 'node' ? machine({}, { cpus: () => cpus }) : probe({}, cpus);
    const sampler = new Sampler(noDisk(), reader);
    times.idle = 750;
    times.user = 250;
    assert.equal(sampler.sample().idleCpus, 3, by);
  }
});

test('the native probe and Node give the same sample of the same machine', () => {
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

test('a file system that hangs is asked once, and delays no sample', () => {
  let asked = 0;
  const disk = new Disk(() => {
    asked++;
    return new Promise(() => undefined);
  });
  const sampler = new Sampler(disk, machine({}));
  for (let i = 0; i < 10_000; i++) assert.equal(sampler.sample().diskBytes, undefined);
  assert.equal(asked, 1);
});

test('any content of /proc gives a possible sample', () => {
  const line = fc.array(fc.nat(), { maxLength: 12 }).map(fields => stat(fields.join(' ')));
  const text = fc.option(fc.oneof(line, fc.string()), { nil: undefined });
  fc.assert(
    fc.property(text, text, text, (before, after, meminfo) => {
      const files: { meminfo?: string; stat?: string } = {};
      if (before !== undefined) files.stat = before;
      if (meminfo !== undefined) files.meminfo = meminfo;
      const sampler = new Sampler(noDisk(), machine(files));
      if (after !== undefined) files.stat = after;
      const { idleCpus = 0, memoryBytes } = sampler.sample();
      assert.ok(idleCpus >= 0 && idleCpus <= 2 && memoryBytes >= 0);
    }),
  );
});

test('this machine gives a possible sample, with the native probe and with Node', () => {
  const native = loadProbe().probe;
  for (const reader of native ? [nodeFiguresReader(), nativeFiguresReader(native)] : [nodeFiguresReader()]) {
    const sampler = new Sampler(noDisk(), reader);
    const busyUntil = performance.now() + 50;
    while (performance.now() < busyUntil);
    const { memoryBytes, idleCpus = -1, load } = sampler.sample();
    assert.ok(memoryBytes > 0 && memoryBytes <= os.totalmem());
    assert.ok(idleCpus >= 0 && idleCpus < os.cpus().length, `${idleCpus} idle CPUs although one was busy`);
    assert.ok(load.length === 3 && load.every(value => value >= 0));
  }
});
