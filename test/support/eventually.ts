// Waits for a condition, which is checked every 10 ms, with a deadline that only a failing test reaches.
import { setTimeout as pause } from 'node:timers/promises';

/**
 * Resolves once `condition` returns true.
 * @throws Error what the condition throws, or `what` after `deadlineMs` milliseconds.
 */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadlineMs = 30_000,
): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`did not happen within ${deadlineMs} ms: ${what}`);
    await pause(10);
  }
}
