// Names the streams in which the broker stores what the requesters of a roll keep.
import { clusterBucket } from './cluster/cluster-bucket.ts';
import { eventStreamConfig } from './events/stream-config.ts';
import { nodeBucket } from './roll/store.ts';

/** The streams of the two buckets, and that of the events. */
export const storedStreams = [
  `KV_${clusterBucket.name}`,
  `KV_${nodeBucket.name}`,
  eventStreamConfig.name,
] as const;
