// Gives back the memory that an agent needs only for a while.
import { loadProbe, type NativeProbe } from '../host/native/native-probe.ts';
import type { Clock } from '../system/clock.ts';
import { Rounds } from '../system/rounds.ts';

/** Time before each round, in milliseconds. By the first one an agent has started, registered, and taken its inventory. */
export const giveBackIntervalMs = 60_000;

/**
 * Gives back in each round what was freed, and in the first one also the pages of the program's file, because most of them
 * were needed only for the start. What is needed after that stays in memory. Does nothing without the native probe.
 */
export function giveBackMemory(
  clock: Clock,
  probe: Pick<NativeProbe, 'giveBackFreed' | 'giveBackProgram'> | undefined = loadProbe().probe,
): { stop(): void } {
  let isFirst = true;
  const work = () => {
    probe?.giveBackFreed();
    if (isFirst) probe?.giveBackProgram();
    isFirst = false;
  };
  const rounds = new Rounds({
    clock,
    pauseMs: giveBackIntervalMs,
    isNeeded: () => probe !== undefined,
    work,
  });
  rounds.start();
  return rounds;
}
