// Gives back the memory that an agent needs only for a while.
import { setFlagsFromString } from 'node:v8';
import { loadProbe, type NativeProbe } from '../host/native/native-probe.ts';
import type { Clock, Timer } from '../system/clock.ts';

/** Pauses in milliseconds. Each is twice as long as the one before, because less and less is left of the start. */
export const giveBackPausesMs = {
  /** By then an agent has started, registered, and taken its inventory. */
  first: 60_000,
  /** Each time costs two milliseconds of the processor. */
  longest: 300_000,
};

type Memory = Pick<NativeProbe, 'giveBackFreed' | 'giveBackGarbage' | 'giveBackProgram'>;

/**
 * Gives back after each pause what was freed. After the first one it also gives back what the start needed: garbage, compiled code,
 * and the pages of the program's file. What is needed after that stays in memory. Without the native probe it does nothing. `find`
 * is called only then, so that the start does not wait for it.
 */
export function giveBackMemory(
  clock: Clock,
  find: () => Memory | undefined = () => loadProbe().probe,
): { stop(): void } {
  const { first, longest } = giveBackPausesMs;
  let timer: Timer | undefined;
  const plan = (pauseMs: number) => {
    timer = clock.after(pauseMs, () => {
      const probe = find();
      if (!probe) return;
      const isFirst = pauseMs === first;
      if (isFirst) giveBackCode(probe);
      probe.giveBackFreed();
      if (isFirst) probe.giveBackProgram();
      plan(Math.min(2 * pauseMs, longest));
    });
  };
  plan(first);
  return { stop: () => timer?.cancel() };
}

/**
 * Lets V8 drop the garbage, and the compiled code that has not run since it last looked for garbage by itself. Without that it would
 * keep such code for six looks, and an agent makes so little garbage that those take hours. What is called again is compiled again.
 */
export function giveBackCode(probe: Pick<Memory, 'giveBackGarbage'>): void {
  setFlagsFromString('--bytecode-old-age=1');
  probe.giveBackGarbage();
  // V8's own value again: with another one, it would not take the compiled code that the program carries for its other parts.
  setFlagsFromString('--bytecode-old-age=6');
}
