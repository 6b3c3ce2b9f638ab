// Measures what open pages cost a requester whose nodes report at default intervals, and how soon pages have a long roll.
import { setTimeout as pause } from 'node:timers/promises';
import type { LoadReport } from './fleet-load.ts';
import { cpuOf } from './processes.ts';
import type { PagesReport } from './read-pages.ts';
import { type RequesterProcess, withNodes } from './roles.ts';
import type { Figure } from './table.ts';
import { Worker } from './worker.ts';

const pages = 50;
const windowMs = 30_000;

/** Measures the CPU time for fifty pages with 5 000 nodes, and that for the first page with 10 000. */
export async function openPages(): Promise<Figure[]> {
  return [...(await changing(5_000)), ...(await first(10_000))];
}

async function changing(nodes: number): Promise<Figure[]> {
  return withNodes(nodes, async (requester, brokerUrl) => {
    const { clusterId = '' } = await requester.status();
    const load = new Worker<LoadReport>(
      new URL('./fleet-load.ts', import.meta.url),
      brokerUrl,
      clusterId,
      nodes,
      0,
    );
    await pause(35_000);
    const without = await cpuIn(requester, windowMs);
    const readers = new Worker<PagesReport>(pageReaders, requester.apiPort, pages);
    await untilReady(readers, pages);
    const { bytes: before } = await readers.next();
    const withPages = await cpuIn(requester, windowMs);
    const { bytes, closed } = await readers.next();
    await readers.end();
    await pause(2_000);
    const afterwards = await cpuIn(requester, windowMs / 2);
    await load.end();
    if (closed > 0) throw new Error(`${closed} pages were closed`);
    const kB = Math.round((bytes - before) / pages / (windowMs / 1000) / 1000);
    return [
      {
        what: `requester: CPU for ${pages} open pages with ${nodes} nodes at default intervals`,
        measured: withPages - without,
        unit: 'cores',
        budget: { atMost: 0.1 },
        beside: `${percent(without)} without them, ${percent(afterwards)} after they were closed; ${kB} kB/s to each`,
      },
    ];
  });
}

async function first(nodes: number): Promise<Figure[]> {
  return withNodes(nodes, async requester => {
    // The first page of a process also pays for compiling the code.
    const warm = new Worker<PagesReport>(pageReaders, requester.apiPort, 1);
    await untilReady(warm, 1);
    await warm.end();
    const before = cpuOf(requester.program.pid);
    const reader = new Worker<PagesReport>(pageReaders, requester.apiPort, 1);
    const { readyMs, bytes } = await untilReady(reader, 1);
    const cpuUs = cpuOf(requester.program.pid) - before;
    await reader.end();
    return [
      {
        what: `requester: CPU time for one page to get ${nodes} nodes`,
        measured: cpuUs / 1000,
        unit: 'milliseconds',
        beside: `the page had them after ${Math.round(readyMs)} ms; ${(bytes / 1e6).toFixed(1)} MB compressed`,
      },
    ];
  });
}

const pageReaders = new URL('./read-pages.ts', import.meta.url);
const percent = (cores: number) => `${(cores * 100).toFixed(1)} %`;

async function untilReady(readers: Worker<PagesReport>, wanted: number): Promise<PagesReport> {
  for (;;) {
    const report = await readers.next();
    if (report.closed > 0) throw new Error('a page was closed');
    if (report.ready === wanted) return report;
  }
}

/** Returns the CPU time in `ms` milliseconds, as a share of one core. */
async function cpuIn({ program }: RequesterProcess, ms: number): Promise<number> {
  const [before, began] = [cpuOf(program.pid), performance.now()];
  await pause(ms);
  return (cpuOf(program.pid) - before) / 1000 / (performance.now() - began);
}
