// Says what a restore would destroy: the store that is there now.
import type { Storage, StreamCopies } from '../../transport/port.ts';
import { clusterBucket, readClusterId } from '../cluster/cluster-bucket.ts';
import { nodeBucket } from '../roll/store.ts';
import { backedUpStreams } from './backup-contents.ts';

export interface LivingStore {
  /** The id of its cluster; undefined when it has none. */
  cluster: string | undefined;
  nodes: number;
  events: number;
  /** The time of the newest record or event; undefined when there is none. */
  newestAt: Date | undefined;
}

/** Returns what the store has; undefined when it has none of the streams. Creates nothing. @throws BrokerError */
export async function findLivingStore(
  copies: StreamCopies,
  storage: Storage,
): Promise<LivingStore | undefined> {
  const all = await Promise.all(backedUpStreams.map(name => copies.counts(name)));
  if (all.every(each => each === undefined)) return undefined;
  const [cluster, nodes, events] = all;
  return {
    cluster: cluster ? await readClusterId(await storage.bucket(clusterBucket)) : undefined,
    nodes: nodes ? await countKeys(storage) : 0,
    events: events?.messages ?? 0,
    newestAt: newestOf([nodes?.lastAt, events?.lastAt]),
  };
}

/** Counts the keys of the node info store without those of deleted nodes. */
async function countKeys(storage: Storage): Promise<number> {
  let keys = 0;
  const bucket = await storage.bucket(nodeBucket);
  const watch = await bucket.watch(({ marker }) => {
    if (!marker) keys++;
  });
  try {
    await watch.ready;
  } finally {
    watch.stop();
  }
  return keys;
}

function newestOf(times: (string | undefined)[]): Date | undefined {
  const known = times.flatMap(text => {
    const at = Date.parse(text ?? '');
    // A stream without messages names the year 1.
    return at > 0 ? at : [];
  });
  return known.length === 0 ? undefined : new Date(Math.max(...known));
}
