// Lets nothing be written or announced unless this requester holds the lease. All writes and events pass here.
import type { Bucket, EventStream, Storage } from '../transport/port.ts';
import type { Lease } from './lease.ts';

/** Returns the storage for the parts of a requester. Each write and each event waits for `lease.confirm()`. */
export function guardStorage(storage: Storage, lease: Pick<Lease, 'confirm'>): Storage {
  return {
    bucket: async config => guardBucket(await storage.bucket(config), lease),
    stream: async config => guardStream(await storage.stream(config), lease),
  };
}

function guardBucket(bucket: Bucket, lease: Pick<Lease, 'confirm'>): Bucket {
  const confirmed = async <T>(write: () => Promise<T>): Promise<T> => {
    await lease.confirm();
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

function guardStream(stream: EventStream, lease: Pick<Lease, 'confirm'>): EventStream {
  return {
    publish: async (...args) => {
      await lease.confirm();
      return stream.publish(...args);
    },
    removeBefore: async (...args) => {
      await lease.confirm();
      return stream.removeBefore(...args);
    },
    ensureDurable: async (...args) => {
      await lease.confirm();
      return stream.ensureDurable(...args);
    },
    removeDurable: async (...args) => {
      await lease.confirm();
      return stream.removeDurable(...args);
    },
    durables: (...args) => stream.durables(...args),
    fill: () => stream.fill(),
    oldest: (...args) => stream.oldest(...args),
    lastPerSubject: (...args) => stream.lastPerSubject(...args),
    follow: (...args) => stream.follow(...args),
  };
}
