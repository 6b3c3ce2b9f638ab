// The sentinel is the file that says "already registered", so that a restart needs no registration. It proves nothing: the
// requester decides.
import { join } from 'node:path';
import * as v from 'valibot';
import { parseJson } from '../../protocol/json.ts';
import { validate } from '../../protocol/schema.ts';
import { MusterError, reasonOf } from '../../system/errors.ts';
import { removeFile, setAside, writeFileAtomic } from '../../system/files.ts';
import { readOwnFile } from '../../system/read-file.ts';

const short = v.pipe(v.string(), v.maxLength(256));
const schema = v.object({
  version: v.literal(1),
  node: short,
  /** The node's public key. */
  key: short,
  /** The id of the cluster; empty for a Bacalhau requester, which has none. */
  cluster: short,
  requester: short,
  /** The session of the registration; empty for a Bacalhau requester. */
  session: short,
  /** The membership; empty for a Bacalhau requester, because its answers do not contain it. */
  membership: v.picklist(['', 'PENDING', 'APPROVED']),
  registeredAt: short,
  approvedAt: v.optional(short),
});

/** The data of an accepted registration. Times are RFC 3339. */
export type Sentinel = v.InferOutput<typeof schema>;

export const sentinelPath = (folder: string, nodeId: string): string =>
  join(folder, `${nodeId}.registration.json`);

/** The result of reading the file: a valid sentinel of this node, nothing, or something else, with the reason. */
export type SentinelReading =
  | { kind: 'valid'; sentinel: Sentinel }
  | { kind: 'none' }
  | { kind: 'bad'; reason: string };

/**
 * Reads the sentinel of `nodeId`. A file that is damaged, unreadable, or of another node or key is renamed to `.bad`.
 * @throws MusterError `not_writable` when it cannot be renamed.
 */
export async function loadSentinel(folder: string, nodeId: string, key: string): Promise<SentinelReading> {
  const reading = await inspectSentinel(folder, nodeId, key);
  if (reading.kind === 'bad') await setAside(sentinelPath(folder, nodeId), '.bad');
  return reading;
}

/** Reads the sentinel of `nodeId` and changes nothing. The doctor calls it. Never throws. */
export async function inspectSentinel(folder: string, nodeId: string, key: string): Promise<SentinelReading> {
  try {
    const file = await readOwnFile(sentinelPath(folder, nodeId), 16_384);
    if (!file) return { kind: 'none' };
    const sentinel = validate(schema, parseJson(file.data));
    if (sentinel.node !== nodeId) return { kind: 'bad', reason: 'it is the sentinel of another node' };
    if (sentinel.key !== key) return { kind: 'bad', reason: 'it belongs to another key' };
    return { kind: 'valid', sentinel };
  } catch (error) {
    const cause = error instanceof MusterError ? (error.cause ?? error) : error;
    return { kind: 'bad', reason: reasonOf(cause) };
  }
}

/** Writes `sentinel`. Throws MusterError `not_writable`. */
export async function writeSentinel(folder: string, sentinel: Sentinel): Promise<void> {
  await writeFileAtomic(sentinelPath(folder, sentinel.node), `${JSON.stringify(sentinel, null, 2)}\n`);
}

/** Removes the sentinel of `nodeId`, if there is one. Throws MusterError `not_writable`. */
export async function removeSentinel(folder: string, nodeId: string): Promise<void> {
  await removeFile(sentinelPath(folder, nodeId));
}
