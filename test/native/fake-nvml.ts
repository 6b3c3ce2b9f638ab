// Gives a fake libnvidia-ml.so.1 whose GPUs and faults a test chooses, see fake-nvml.c.
import { compileLibrary } from '../support/compile.ts';

/** The library of a current driver, and one of 2012 without the newer functions. */
export const fakeNvml = await newFakeNvml();
export const oldFakeNvml = await compileLibrary(
  new URL('fake-nvml.c', import.meta.url),
  'libnvidia-ml.so.1',
  ['-DOLD'],
);

/** Sets what the library has and how it fails, from its next call on: words such as `gpus=8 fail=nvmlDeviceGetName:15`. */
export function configureNvml(words: string): void {
  process.env.FAKE_NVML = words;
}

/** Compiles the library again, to a file that no process has opened. */
export function newFakeNvml(): Promise<string> {
  return compileLibrary(new URL('fake-nvml.c', import.meta.url), 'libnvidia-ml.so.1');
}
