// Gives the agents of `muster dev` a join code of their requester, so that they come in without a person.
import { localApi } from '../api/client.ts';
import { readClusterFile, withCode, writeClusterFile } from '../compute/registration/cluster-file.ts';
import { readGivenCode } from '../compute/registration/given-code.ts';
import type { LoadedSettings } from '../config/load.ts';
import { roleFolder } from '../config/paths.ts';
import { joinCodeBounds } from '../protocol/http-join-codes.ts';
import { systemClock } from '../system/clock.ts';
import { makeFolder } from '../system/files.ts';

export interface DevCodesOptions {
  /** The data folders of the agents. */
  folders: readonly string[];
  /** The id of the requester's cluster. */
  cluster: string;
  /** Loads the settings by which the API of the requester is found. */
  load: () => Promise<LoadedSettings>;
}

/**
 * Makes one code for all agents that are not in the cluster yet, and stores it in their folders. No agent runs meanwhile.
 * @throws MusterError when the requester makes no code, or a folder cannot be written.
 */
export async function giveDevCodes({ folders, cluster, load }: DevCodesOptions): Promise<void> {
  const own = folders.map(folder => roleFolder(folder, 'agent'));
  const known = await Promise.all(own.map(folder => readClusterFile(folder)));
  const newcomers = own.flatMap((folder, index) =>
    known[index]?.cluster === cluster && known[index]?.code === undefined ? [] : [folder],
  );
  if (newcomers.length === 0) return;
  const api = localApi((await load()).settings);
  const { Code } = await api.joinCodes.create({
    ExpiresInSeconds: joinCodeBounds.usualSeconds,
    Uses: newcomers.length,
    Approve: false,
    Labels: {},
    Network: '',
    Actor: 'muster dev',
  });
  const code = readGivenCode(Code, 'the requester', systemClock.now());
  for (const folder of newcomers) {
    await makeFolder(folder);
    await writeClusterFile(folder, withCode(await readClusterFile(folder), code));
  }
}
