// Surroundings for tests: temporary folders and variables in place of the real machine's and user's.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Environment } from '../../agent/config/environment.ts';
import { MusterError } from '../../agent/system/errors.ts';

/** A folder that goes away with the test. */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-config-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes `text` to a file of its own, readable by its owner only, and answers the path. */
export async function configFile(t: TestContext, text: string, mode = 0o600): Promise<string> {
  const path = join(await temporaryFolder(t), 'config.yaml');
  await writeFile(path, text, { mode });
  return path;
}

/** A machine without any file of ours, a user without a home, and no variables but those given. */
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

/** The lines of the `bad_config` with which `promise` is rejected; anything else is a failure of the test. */
export async function faultsOf(promise: Promise<unknown>): Promise<string[]> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof MusterError && error.code === 'bad_config') return error.message.split('\n');
    throw error;
  }
  throw new Error('expected faults, found none');
}
