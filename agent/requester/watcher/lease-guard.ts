// Lets nothing be written or announced that only the watcher may write or announce, unless this requester holds the lease.
import type { Bucket, EventStream } from '../../transport/port.ts';
import type { WatchRight } from './lease.ts';
import type { WatchFence } from './watch-fence.ts';

/** Returns the bucket for what only the watcher writes. Each write waits for `right.confirm()`. */
export function watchersBucket(bucket: Bucket, right: WatchRight): Bucket {
  const confirmed = async <T>(write: () => Promise<T>): Promise<T> => {
    await right.confirm();
    return write();
  };
  return {
    state: () => bucket.state(),
    get: key => bucket.get(key),
    watch: (...args) => bucket.watch(...args),
    put: (...args) => confirmed(() => bucket.put(...args)),
    purge: (...args) => confirmed(() => bucket.purge(...args)),
    remove: (...args) => confirmed(() => bucket.remove(...args)),
  };
}

/** Returns the stream for the events that only the watcher announces, and for making room in it. */
export function watchersStream(stream: EventStream, right: WatchRight, fence: WatchFence): EventStream {
  return {
    ...stream,
    publish: (...args) => fence.publish(...args),
    removeBefore: async (...args) => {
      await right.confirm();
      return stream.removeBefore(...args);
    },
  };
}
