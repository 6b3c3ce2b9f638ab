// Makes environments for tests, with temporary folders and given variables instead of the real ones.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Environment } from '../../agent/config/environment.ts';
import { MusterError } from '../../agent/system/errors.ts';

/** Returns a new folder that is removed after the test. */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-config-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes `text` to a new file, by default for its owner alone, and returns the path. */
export async function configFile(t: TestContext, text: string, mode = 0o600): Promise<string> {
  const path = join(await temporaryFolder(t), 'config.yaml');
  await writeFile(path, text, { mode });
  return path;
}

/** Returns a machine without files of muster, a user without a home folder, and only the given variables. */
export function surroundings(
  variables: Record<string, string> = {},
  more: Partial<Environment> = {},
): Environment {
  const nowhere = '/nonexistent/muster';
  return {
    variables,
    pid: 4711,
    root: false,
    machine: { config: `${nowhere}/etc`, data: `${nowhere}/lib`, cache: `${nowhere}/cache` },
    user: async () => undefined,
    errorStream: () => undefined,
    ...more,
  };
}

/** Returns the lines of the `bad_config` error that `promise` rejects with. Throws in every other case. */
export async function faultsOf(promise: Promise<unknown>): Promise<string[]> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof MusterError && error.code === 'bad_config') return error.message.split('\n');
    throw error;
  }
  throw new Error('expected faults, found none');
}
