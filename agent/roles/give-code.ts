// Gives a join code, or the pin of a CA, to the agent of this machine: to its process if it runs, otherwise by its file.
import {
  type KnownCluster,
  readClusterFile,
  withCode,
  writeClusterFile,
} from '../compute/registration/cluster-file.ts';
import { refuseOtherCluster } from '../compute/registration/given-code.ts';
import { roleFolder, runtimeFolder } from '../config/paths.ts';
import type { JoinCode } from '../protocol/join-code.ts';
import { checkPrivateState } from '../service/private-state.ts';
import { sleep, systemClock } from '../system/clock.ts';
import { MusterError } from '../system/errors.ts';
import { makeFolder } from '../system/files.ts';
import { askHolder, holdFolder } from '../system/role-socket.ts';
import { describeHolder } from './describe-holder.ts';
import { joiningState } from './hold-agent-folder.ts';

/** Time between two attempts while an agent starts or another command writes, in milliseconds, and their number. */
const retryMs = 100;
const maxAttempts = 50;

export interface GivenCode {
  line: string;
  code: JoinCode;
  /** Whether the node leaves its present cluster if the code is for another one. */
  move: boolean;
}

/**
 * Gives the code to the agent that runs in one of the `searched` folders, or stores it in `own` when none runs. Returns the
 * folder of the running agent's socket; undefined when none runs. @throws MusterError `conflict` for a code of another
 * cluster without `move`; `not_allowed`, `not_writable`; `in_use` when another command holds the folder for 5 s.
 */
export function giveCode(
  searched: readonly string[],
  own: string,
  { line, code, move }: GivenCode,
): Promise<string | undefined> {
  return changeCluster(searched, own, { command: 'join', code: line, move }, known => {
    refuseOtherCluster(known?.cluster, code, move);
    return withCode(known, code);
  });
}

/**
 * Sends `request` to the agent that runs in one of the `searched` folders, or changes in `own` what the node knows of its
 * cluster. Returns and throws as `giveCode`, and throws what `change` throws.
 */
export async function changeCluster(
  searched: readonly string[],
  own: string,
  request: Readonly<Record<string, unknown>>,
  change: (known: KnownCluster | undefined) => KnownCluster,
): Promise<string | undefined> {
  for (let attempt = 1; ; attempt++) {
    const folder = await runningAgent(searched);
    try {
      if (folder === undefined) await changeFile(own, change);
      else await askHolder(folder, request);
      return folder;
    } catch (error) {
      // An agent that was started meanwhile takes it itself.
      const isHeld = error instanceof MusterError && error.code === 'in_use';
      if (!isHeld || attempt === maxAttempts) throw error;
      await sleep(systemClock, retryMs);
    }
  }
}

/**
 * Returns the folder of the socket of an agent that runs here; undefined when none runs. @throws MusterError
 * `not_allowed`
 */
export async function runningAgent(folders: readonly string[]): Promise<string | undefined> {
  for (const data of folders) {
    const folder = runtimeFolder(data, 'agent');
    const status = (await askHolder(folder, { command: 'status' })) as { state?: unknown } | undefined;
    if (status !== undefined && status.state !== joiningState) return folder;
  }
  return undefined;
}

async function changeFile(
  data: string,
  change: (known: KnownCluster | undefined) => KnownCluster,
): Promise<void> {
  await checkPrivateState(data).catch(error => throwWithServiceHint(error));
  const folder = roleFolder(data, 'agent');
  const runtime = runtimeFolder(data, 'agent');
  await makeFolder(folder);
  await makeFolder(runtime);
  // An agent that starts at this moment must not read the file before it is written, or write it too.
  const lock = await holdFolder(
    runtime,
    () => ({ role: 'agent', pid: process.pid, state: joiningState }),
    status => `an agent holds ${folder}: ${describeHolder(status)}`,
  );
  try {
    const known = await readClusterFile(folder);
    const next = change(known);
    if (next !== known) await writeClusterFile(folder, next);
  } finally {
    await lock.close();
  }
}

function throwWithServiceHint(error: unknown): never {
  if (!(error instanceof MusterError) || error.code !== 'not_allowed') throw error;
  throw new MusterError('not_allowed', error.message, {
    hint: 'give the code to the service: sudo muster service install --role agent --join',
    cause: error,
  });
}
