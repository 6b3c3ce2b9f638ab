// A libnvidia-ml.so.1 whose GPUs and faults a test chooses, see fake-nvml.c.
import { compileLibrary } from '../support/compile.ts';

/** The library as drivers bring it now, and one of 2012 without the newer functions. */
export const fakeNvml = await newFakeNvml();
export const oldFakeNvml = await compileLibrary(
  new URL('fake-nvml.c', import.meta.url),
  'libnvidia-ml.so.1',
  ['-DOLD'],
);

/** Tells the library, from its next call on, what it has and how it fails: words such as `gpus=8 fail=nvmlDeviceGetName:15`. */
export function pretend(words: string): void {
  process.env.FAKE_NVML = words;
}

/** The same in a file that no process has opened yet. */
export function newFakeNvml(): Promise<string> {
  return compileLibrary(new URL('fake-nvml.c', import.meta.url), 'libnvidia-ml.so.1');
}
