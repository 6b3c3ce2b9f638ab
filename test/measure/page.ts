// Measures the page in a real Chromium: how soon a long roll is on screen and what that costs the requester, how soon the page
// answers keys and the wheel while its nodes change, and whether an hour's changes make its memory grow.
import { setTimeout as pause } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { Browser, heapBytes, withoutBrowser } from '../support/browser.ts';
import type { ChangesReport } from './change-nodes.ts';
import { answersOf, paintOf, watchAnswers, watchPaint } from './in-page.ts';
import { longestTaskMs } from './main-thread.ts';
import { cpuOf } from './processes.ts';
import { type RequesterProcess, withNodes } from './roles.ts';
import { median, quantile } from './statistics.ts';
import type { Figure } from './table.ts';
import { Worker } from './worker.ts';
import { progress } from './workplace.ts';

/** No node falls silent while the page is measured, because it would then show other changes. */
const settings = { nodeDisconnectedAfter: '1h', nodeUnknownAfter: '2h' };
const paints = 5;
/** Number of nodes that report in a second, of 5 000. About 20 of these are on screen, and each changes once a second then. */
const reportsPerSecond = 5_000;
/** In an hour at the default interval of 30 s, each node reports its resources 120 times. */
const changesInHour = 120;

const rounds = 6;
/** The hour of changes ends after this time, however many changes there were. */
const hourLimitMs = 180_000;

/** Measures the first paint with 10 000 nodes, and the keys, the wheel and the memory with 5 000. */
export async function pageInBrowser(): Promise<Figure[]> {
  if (withoutBrowser) throw new Error(withoutBrowser);
  const browser = await Browser.start();
  try {
    return [...(await firstPaint(browser, 10_000)), ...(await changing(browser, 5_000))];
  } finally {
    await browser.close();
  }
}

async function firstPaint(browser: Browser, nodes: number): Promise<Figure[]> {
  const open = async (requester: RequesterProcess) => {
    const before = cpuOf(requester.program.pid);
    const shown = await browser.withPage(addressOf(requester), paintOf, { script: watchPaint(nodes + 1) });
    return { ...shown, cpuMs: (cpuOf(requester.program.pid) - before) / 1000 };
  };
  return withNodes(
    nodes,
    async requester => {
      // The first page also pays for compiling the code of the requester.
      await open(requester);
      const all: Awaited<ReturnType<typeof open>>[] = [];
      for (let count = 0; count < paints; count++) all.push(await open(requester));
      const figure = (what: string, key: keyof (typeof all)[0]): Figure => ({
        what,
        measured: median(all.map(paint => paint[key])),
        unit: 'milliseconds',
        beside: `${Math.round(Math.max(...all.map(paint => paint[key])))} ms at most`,
      });
      return [
        figure(`page: first paint with ${nodes} nodes`, 'paintMs'),
        figure('page: until the first nodes are on screen', 'rowsMs'),
        figure(`page: until all ${nodes} nodes are there`, 'allMs'),
        figure('requester: CPU time for such a page', 'cpuMs'),
      ];
    },
    settings,
  );
}

async function changing(browser: Browser, nodes: number): Promise<Figure[]> {
  return withNodes(
    nodes,
    async (requester, brokerUrl) => {
      const { clusterId = '' } = await requester.status();
      const load = new Worker<ChangesReport>(
        new URL('./change-nodes.ts', import.meta.url),
        ...[brokerUrl, clusterId, nodes, reportsPerSecond],
      );
      return browser.withPage(
        addressOf(requester),
        async page => {
          await page.getByRole('button', { name: `All ${nodes + 1}` }).waitFor();
          const figures = await answers(page);
          progress('an hour of changes');
          return [...figures, await memory(page, load, nodes * changesInHour)];
        },
        { script: watchAnswers },
      );
    },
    settings,
  );
}

/** Looks for nodes as somebody does with keys and the wheel, and measures how soon the page shows what came of it. */
async function answers(page: Page): Promise<Figure[]> {
  const taskMs = await longestTaskMs(page, async () => {
    for (let round = 0; round < rounds; round++) await useOnce(page, round);
  });
  const { keysMs, wheelMs } = await answersOf(page);
  const figure = (what: string, values: number[]): Figure => ({
    what,
    measured: quantile(values, 0.99),
    unit: 'milliseconds',
    budget: { atMost: 100 },
    beside: `p99 of ${values.length}; median ${Math.round(median(values))} ms, at most ${Math.round(Math.max(...values))} ms`,
  });
  return [
    figure('page: from a key to the frame that shows it, 20 changes a second on screen', keysMs),
    figure('page: from the wheel to the frame that shows it', wheelMs),
    {
      what: 'page: CPU time of its longest task meanwhile',
      measured: taskMs,
      unit: 'milliseconds',
      beside: 'a key or the wheel waits for one task and is answered in another',
    },
  ];
}

/** Searches, moves the mark and turns the wheel. */
async function useOnce(page: Page, round: number): Promise<void> {
  await page.keyboard.press('/');
  for (const key of `host-${1_000 + round}`) await pressed(page, key);
  for (let count = 0; count < 10; count++) await pressed(page, 'Backspace');
  await page.keyboard.press('Tab');
  for (let count = 0; count < 20; count++) await pressed(page, count % 5 < 3 ? 'j' : 'k');
  for (let count = 0; count < 20; count++) {
    await page.mouse.move(600, 500);
    await page.mouse.wheel(0, count % 4 === 3 ? -20_000 : 7_000);
    await pause(50);
  }
}

async function pressed(page: Page, key: string): Promise<void> {
  await page.keyboard.press(key);
  await pause(50);
}

/** Lets the nodes report as often as in an hour, and measures how much memory of the page that took. */
async function memory(page: Page, load: Worker<ChangesReport>, wanted: number): Promise<Figure> {
  const until = async (changes: number) => {
    const end = performance.now() + hourLimitMs;
    for (;;) {
      const report = await load.next();
      if (report.changes >= changes || performance.now() > end) return report.changes;
    }
  };
  // What the page builds once does not count.
  const { changes: now } = await load.next();
  const first = await until(now + wanted / 12);
  const before = await heapBytes(page);
  const last = await until(first + wanted);
  await load.end();
  const after = await heapBytes(page);
  const shown = await page.locator('[role=row][data-id]').count();
  return {
    what: 'page: memory that the changes of an hour took',
    measured: after - before,
    unit: 'bytes',
    budget: { atMost: 5e6 },
    beside: `${(before / 1e6).toFixed(1)} MB before; ${last - first} changes of nodes; ${shown} nodes in the document`,
  };
}

const addressOf = ({ apiPort }: RequesterProcess) => `http://127.0.0.1:${apiPort}/`;
