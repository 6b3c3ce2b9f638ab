// Gives back the memory that an agent needs only for a while.
import { loadProbe, type NativeProbe } from '../host/native/native-probe.ts';
import type { Clock, Timer } from '../system/clock.ts';

/** Pauses in milliseconds. Each is twice as long as the one before, because less and less is left of the start. */
export const giveBackPausesMs = {
  /** By then an agent has started, registered, and taken its inventory. */
  first: 60_000,
  /** Each time costs two milliseconds of the processor. */
  longest: 300_000,
};

/**
 * Gives back after each pause what was freed, and after the first one also the pages of the program's file, because most of
 * them were needed only for the start. What is needed after that stays in memory. Without the native probe it does nothing.
 * `find` is called only then, so that the start does not wait for it.
 */
export function giveBackMemory(
  clock: Clock,
  find: () => Pick<NativeProbe, 'giveBackFreed' | 'giveBackProgram'> | undefined = () => loadProbe().probe,
): { stop(): void } {
  const { first, longest } = giveBackPausesMs;
  let timer: Timer | undefined;
  const plan = (pauseMs: number) => {
    timer = clock.after(pauseMs, () => {
      const probe = find();
      probe?.giveBackFreed();
      if (pauseMs === first) probe?.giveBackProgram();
      if (probe) plan(Math.min(2 * pauseMs, longest));
    });
  };
  plan(first);
  return { stop: () => timer?.cancel() };
}
