// Finds out at the start of an agent which cluster it is in: from its file, and from a join code in the settings.
import {
  type KnownCluster,
  readClusterFile,
  withCode,
  writeClusterFile,
} from '../compute/registration/cluster-file.ts';
import { maxGivenBytes, readGivenCode } from '../compute/registration/given-code.ts';
import type { Settings } from '../config/settings.ts';
import { codeIdOf, type JoinCode } from '../protocol/join-code.ts';
import type { Clock } from '../system/clock.ts';
import { MusterError, reasonOf } from '../system/errors.ts';
import type { Log } from '../system/log.ts';
import { readBounded } from '../system/read-file.ts';

export interface LoadClusterOptions {
  /** The agent's own folder. */
  folder: string;
  join: Settings['join'];
  clock: Clock;
  log: Log;
}

/**
 * Returns what this node knows of its cluster; undefined when it knows nothing. A code in the settings is taken once: when
 * the node has come in with it, it may stay there. @throws MusterError `bad_config` for a bad code of a node that knows no
 * cluster; `bad_state`, `not_writable`.
 */
export async function loadCluster(options: LoadClusterOptions): Promise<KnownCluster | undefined> {
  const { folder, log } = options;
  const known = await readClusterFile(folder);
  const code = await codeOfSettings(options, known);
  if (!code) return known;
  if (known && known.cluster !== code.cluster) {
    const text =
      'the join code in the settings is for another cluster and is not used; to move this node there: muster agent join --move';
    if (known.usedCode !== codeIdOf(code.token))
      log.warn({ cluster: known.cluster, otherCluster: code.cluster }, text);
    return known;
  }
  const next = withCode(known, code);
  if (next === known) return known;
  await writeClusterFile(folder, next);
  log.info(
    { cluster: next.cluster, servers: next.servers, code: next.codeId },
    'a join code was taken from the settings',
  );
  return next;
}

async function codeOfSettings(
  { join, clock, log }: LoadClusterOptions,
  known: KnownCluster | undefined,
): Promise<JoinCode | undefined> {
  try {
    if (join.code !== undefined) return readGivenCode(join.code, 'join.code', clock.now());
    return join.codeFile === undefined ? undefined : await readCodeFile(join.codeFile, clock);
  } catch (error) {
    if (!(error instanceof MusterError)) throw error;
    if (!known) throw new MusterError('bad_config', error.message, { hint: error.hint, cause: error });
    // A node that is in a cluster does not need the code any more. People remove used codes, and old ones have ended.
    log.debug({ err: error }, 'the join code in the settings is not used');
    return undefined;
  }
}

async function readCodeFile(path: string, clock: Clock): Promise<JoinCode> {
  const data = await readBounded(path, maxGivenBytes).catch((error: unknown) => {
    throw new MusterError('failed', `join.codeFile: ${reasonOf(error)}`, { cause: error });
  });
  if (!data) throw new MusterError('failed', `join.codeFile: there is no file ${path}`);
  return readGivenCode(data.toString('utf8'), `join.codeFile (${path})`, clock.now());
}
