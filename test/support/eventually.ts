// Waits for a condition, which is checked again and again, with a deadline that only a failing test reaches: on a machine that
// is busy with much else, the start of one process can take half a minute.
import { setTimeout as pause } from 'node:timers/promises';

/**
 * Resolves once `condition` returns true.
 * @throws Error what the condition throws, or `what` after `deadlineMs` milliseconds.
 */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadlineMs = 90_000,
): Promise<void> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const began = performance.now();
    if (await condition()) return;
    const now = performance.now();
    if (now > end) throw new Error(`did not happen within ${deadlineMs} ms: ${what}`);
    // A check that runs a command takes a processor from what it waits for, so the pause is twice as long as the check.
    await pause(Math.min(Math.max(shortestPauseMs, 2 * (now - began)), longestPauseMs));
  }
}

const shortestPauseMs = 10;
const longestPauseMs = 300;
