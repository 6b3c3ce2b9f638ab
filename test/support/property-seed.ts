// Sets the seed of every property test. `scripts/test --seed NUMBER` loads it before each test file.
import fc from 'fast-check';

fc.configureGlobal({ seed: Number(process.env.PROPERTY_SEED) });
