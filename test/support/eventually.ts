// Waiting for what will happen: a condition looked at again and again, with a deadline that only a failure reaches.
import { setTimeout as pause } from 'node:timers/promises';

/** Resolves once `condition` holds (or throws no more); fails with `what` after `deadline` milliseconds. */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadline = 30_000,
): Promise<void> {
  const end = performance.now() + deadline;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`did not happen within ${deadline} ms: ${what}`);
    await pause(10);
  }
}
