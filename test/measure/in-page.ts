// What a page notes about itself for the bench: when something was on screen, and how long it took to answer. The scripts are
// texts because they run in a browser.
import type { Page } from 'playwright-core';

/** Times from the start of the navigation, in milliseconds. */
export interface Paint {
  /** When anything was drawn. */
  paintMs: number;
  /** When the first nodes were drawn. */
  rowsMs: number;
  /** When the page counted all nodes. */
  allMs: number;
}

/** Returns the script that notes when a page draws its first nodes, and when it counts `all`. */
export const watchPaint = (all: number): string => `
  self.drawn = new Promise(resolve => {
    let rowsMs;
    const look = () => {
      // What is there before a frame is drawn by that frame, and the next one begins after it.
      const isShown = document.querySelector('[role=row][data-id]') !== null;
      const isAll = document.querySelector('.count.all b')?.textContent === '${all}';
      requestAnimationFrame(now => {
        if (isShown) rowsMs ??= now;
        if (!isAll) return look();
        const paintMs = performance.getEntriesByName('first-contentful-paint')[0].startTime;
        resolve({ paintMs, rowsMs, allMs: now });
      });
    };
    look();
  });`;

/** Returns what `watchPaint` noted, as soon as all nodes are there. */
export async function paintOf(page: Page): Promise<Paint> {
  return (await page.evaluate('self.drawn')) as Paint;
}

/** Times until the frame that shows the answer, in milliseconds, one for each key and each turn of the wheel. */
export interface Answers {
  keysMs: number[];
  wheelMs: number[];
}

/**
 * The script that notes how long a page takes to answer. The browser itself measures keys, and leaves out the quick ones. It does
 * not measure the wheel, so the script does.
 */
export const watchAnswers = `
  self.keys = new Map();
  self.wheelMs = [];
  new PerformanceObserver(list => {
    for (const { interactionId, duration } of list.getEntries())
      if (interactionId > 0) self.keys.set(interactionId, Math.max(duration, self.keys.get(interactionId) ?? 0));
  }).observe({ type: 'event', durationThreshold: 16, buffered: true });
  const drawn = new MessageChannel();
  const starts = [];
  drawn.port1.onmessage = () => {
    for (const start of starts.splice(0)) self.wheelMs.push(performance.now() - start);
  };
  addEventListener('wheel', ({ timeStamp }) => {
    requestAnimationFrame(() => {
      starts.push(timeStamp);
      drawn.port2.postMessage(null);
    });
  }, { capture: true, passive: true });`;

/** Returns what `watchAnswers` noted. A key that the browser left out was answered within 16 ms, and counts as that. */
export async function answersOf(page: Page): Promise<Answers> {
  const script = '({ keysMs: [...keys.values()], wheelMs, all: performance.interactionCount })';
  const { keysMs, wheelMs, all } = (await page.evaluate(script)) as Answers & { all: number };
  const quick = Array.from({ length: Math.max(0, all - keysMs.length) }, () => 16);
  return { keysMs: [...keysMs, ...quick], wheelMs };
}
