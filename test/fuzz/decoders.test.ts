// Every decoder of what comes from outside reads or refuses whatever it gets, and nothing else happens.
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { allDecoders } from './all-decoders.ts';
import { fuzz } from './fuzz.ts';

/** Number of changed inputs for each decoder. The campaign tries a hundred thousand. */
const inputs = 5_000;
const seed = fc.readConfigureGlobal().seed ?? Math.floor(Math.random() * 2 ** 31);

describe(`with the seed ${seed}`, () => {
  after(async () => {
    for (const { release } of allDecoders) await release?.();
  });
  for (const decoder of allDecoders) {
    test(decoder.what, async () => {
      await fuzz(decoder, seed, inputs);
    });
  }
});
