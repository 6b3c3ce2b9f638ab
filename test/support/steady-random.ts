// Randomness that a test decides: one fraction for ever, or a sequence that a seed repeats.
import type { Random } from '../../agent/system/random.ts';

/** Every fraction is `fraction`; ids count up. */
export function steadyRandom(fraction = 0.5): Random {
  return { fraction: () => fraction, uuid: counted() };
}

/** Fractions that look random and are the same for the same seed (a linear congruential generator). */
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
