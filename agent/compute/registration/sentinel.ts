// The sentinel: the file that says "already registered", so that a restart needs no registration. A hint, no credential.
import { join } from 'node:path';
import * as v from 'valibot';
import { parseJson } from '../../protocol/json.ts';
import { validate } from '../../protocol/schema.ts';
import { MusterError, reasonOf } from '../../system/errors.ts';
import { readBounded, removeFile, setAside, writeFileAtomic } from '../../system/files.ts';

const short = v.pipe(v.string(), v.maxLength(256));
const schema = v.object({
  version: v.literal(1),
  node: short,
  /** The node's public key. */
  key: short,
  /** Empty for a Bacalhau requester, which has none. */
  cluster: short,
  requester: short,
  /** The registration under which this node speaks; empty for a Bacalhau requester. */
  session: short,
  /** Empty for a Bacalhau requester, which does not tell. */
  membership: v.picklist(['', 'PENDING', 'APPROVED']),
  registeredAt: short,
  approvedAt: v.optional(short),
});

/** What an accepted registration left. Times are RFC 3339. */
export type Sentinel = v.InferOutput<typeof schema>;

export const sentinelPath = (folder: string, nodeId: string): string =>
  join(folder, `${nodeId}.registration.json`);

/** What was found: a sentinel of this node, none, or something that was set aside as `.bad`, with the reason. */
export type Found =
  | { kind: 'valid'; sentinel: Sentinel }
  | { kind: 'none' }
  | { kind: 'bad'; reason: string };

/**
 * Reads the sentinel of `nodeId`. One that is torn, unreadable or another's is set aside.
 * @throws MusterError `not_writable` when it cannot be.
 */
export async function readSentinel(folder: string, nodeId: string, key: string): Promise<Found> {
  const found = await lookAtSentinel(folder, nodeId, key);
  if (found.kind === 'bad') await setAside(sentinelPath(folder, nodeId), '.bad');
  return found;
}

/** The same, and leaves the file where it is. Never throws. */
export async function lookAtSentinel(folder: string, nodeId: string, key: string): Promise<Found> {
  const found = await tryRead(sentinelPath(folder, nodeId), nodeId, key);
  if (typeof found === 'string') return { kind: 'bad', reason: found };
  return found ? { kind: 'valid', sentinel: found } : { kind: 'none' };
}

/** Throws MusterError `not_writable`. */
export async function writeSentinel(folder: string, sentinel: Sentinel): Promise<void> {
  await writeFileAtomic(sentinelPath(folder, sentinel.node), `${JSON.stringify(sentinel, null, 2)}\n`);
}

/** Removes the sentinel. Throws MusterError `not_writable`. */
export async function voidSentinel(folder: string, nodeId: string): Promise<void> {
  await removeFile(sentinelPath(folder, nodeId));
}

async function tryRead(path: string, nodeId: string, key: string): Promise<Sentinel | string | undefined> {
  try {
    const bytes = await readBounded(path, 16_384);
    if (!bytes) return undefined;
    const sentinel = validate(schema, parseJson(bytes));
    if (sentinel.node !== nodeId) return 'it is the sentinel of another node';
    if (sentinel.key !== key) return 'it belongs to another key';
    return sentinel;
  } catch (error) {
    return error instanceof MusterError ? reasonOf(error.cause ?? error) : reasonOf(error);
  }
}
