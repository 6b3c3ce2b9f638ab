// Gives back the memory that a role needs only for a while, most of all for its start.
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { loadProbe, type NativeProbe } from '../host/native/native-probe.ts';
import type { Clock, Timer } from '../system/clock.ts';

/** Pauses in milliseconds. Each is twice as long as the one before, because less and less is left of the start. */
export const giveBackPausesMs = {
  /** By then an agent has started, registered, and taken its inventory, and a requester has read its records. */
  first: 60_000,
  /** Each time costs two milliseconds of the processor. */
  longest: 300_000,
};

/**
 * The heap up to which V8 is asked to look for garbage. It takes three milliseconds for each megabyte, and nothing else runs meanwhile. A
 * larger heap is that of a requester with thousands of nodes, and garbage is little of it.
 */
export const mostSearchedBytes = 30e6;

/** What gives memory back. Tests use a fake one. */
export interface Memory extends Pick<NativeProbe, 'giveBackFreed' | 'giveBackGarbage' | 'giveBackProgram'> {
  /** The heap of V8 in use. */
  usedBytes(): number;
}

/**
 * Gives back after each pause what was freed. After the first one it also gives back what the start needed: garbage, compiled code,
 * and the pages of the program's file. What is needed after that stays in memory. Without the native probe it does nothing. `find`
 * is called only then, so that the start does not wait for it.
 */
export function giveBackMemory(clock: Clock, find = processMemory): { stop(): void } {
  const { first, longest } = giveBackPausesMs;
  let timer: Timer | undefined;
  const plan = (pauseMs: number) => {
    timer = clock.after(pauseMs, () => {
      const memory = find();
      if (!memory) return;
      const isFirst = pauseMs === first;
      if (isFirst && memory.usedBytes() <= mostSearchedBytes) giveBackCode(memory);
      memory.giveBackFreed();
      if (isFirst) memory.giveBackProgram();
      plan(Math.min(2 * pauseMs, longest));
    });
  };
  plan(first);
  return { stop: () => timer?.cancel() };
}

/**
 * Lets V8 drop the garbage, and the compiled code that has not run since it last looked for garbage by itself. Without that it would
 * keep such code for six looks, and so little garbage is made that those take hours. What is called again is compiled again.
 */
export function giveBackCode(memory: Pick<Memory, 'giveBackGarbage'>): void {
  setFlagsFromString('--bytecode-old-age=1');
  memory.giveBackGarbage();
  // V8's own value again: with another one, it would not take the compiled code that the program carries for its other parts.
  setFlagsFromString('--bytecode-old-age=6');
}

function processMemory(): Memory | undefined {
  const { probe } = loadProbe();
  return probe && { ...probe, usedBytes: () => getHeapStatistics().used_heap_size };
}
