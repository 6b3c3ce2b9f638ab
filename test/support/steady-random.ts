// Makes random numbers that a test controls: always the same, or a sequence that a seed repeats.
import type { Random } from '../../agent/system/random.ts';

/** Returns a source whose fractions are all `fraction` and whose ids count up. */
export function steadyRandom(fraction = 0.5): Random {
  return { fraction: () => fraction, uuid: counted() };
}

/** Returns a source whose fractions are the same for the same seed (a linear congruential generator). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return {
    fraction() {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 2 ** 32;
    },
    uuid: counted(),
  };
}

function counted(): () => string {
  let count = 0;
  return () => `00000000-0000-4000-8000-${String(++count).padStart(12, '0')}`;
}
