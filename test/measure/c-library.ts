// Builds libraries that replace what this machine does not have. test/support/compile.ts is for tests only, because its
// folders are removed by the test runner.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** Builds a library like NVIDIA's, with the GPUs and faults in the environment variable FAKE_NVML, and returns its path. */
export const buildFakeNvml = (folder: string): Promise<string> =>
  build('../native/fake-nvml.c', join(folder, 'libnvidia-ml.so.1'));

/** Builds a library for LD_PRELOAD that makes files hang, and returns its path. */
export const buildHungFiles = (folder: string): Promise<string> =>
  build('./hung-files.c', join(folder, 'hung-files.so'));

async function build(source: string, output: string): Promise<string> {
  const input = fileURLToPath(new URL(source, import.meta.url));
  try {
    await promisify(execFile)('cc', ['-shared', '-fPIC', '-o', output, input]);
  } catch (cause) {
    throw new Error(`${source} cannot be built; is there a C compiler (cc)?`, { cause });
  }
  return output;
}
