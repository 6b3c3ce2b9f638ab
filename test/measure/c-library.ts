// Libraries that an agent is made to load, to measure it with what machines at hand do not have.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** NVIDIA's, with GPUs and faults as the environment variable FAKE_NVML says. Gives its path in `folder`. */
export const buildFakeNvml = (folder: string): Promise<string> =>
  build('../native/fake-nvml.c', join(folder, 'libnvidia-ml.so.1'));

/** One to be preloaded, which makes files hang. */
export const buildHungFiles = (folder: string): Promise<string> =>
  build('./hung-files.c', join(folder, 'hung-files.so'));

async function build(source: string, output: string): Promise<string> {
  const input = fileURLToPath(new URL(source, import.meta.url));
  try {
    await promisify(execFile)('cc', ['-shared', '-fPIC', '-o', output, input]);
  } catch (cause) {
    throw new Error(`${source} cannot be built, as it takes a C compiler (cc)`, { cause });
  }
  return output;
}
