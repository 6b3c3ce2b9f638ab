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

/** Does a write once the lease is confirmed. */
const confirmed = async <T>(lease: Pick<Lease, 'confirm'>, write: () => Promise<T>): Promise<T> => {
  await lease.confirm();
  return write();
};

const guardBucket = (bucket: Bucket, lease: Pick<Lease, 'confirm'>): Bucket => ({
  state: () => bucket.state(),
  get: key => bucket.get(key),
  watch: (...args) => bucket.watch(...args),
  put: (...args) => confirmed(lease, () => bucket.put(...args)),
  purge: (...args) => confirmed(lease, () => bucket.purge(...args)),
  remove: (...args) => confirmed(lease, () => bucket.remove(...args)),
});

const guardStream = (stream: EventStream, lease: Pick<Lease, 'confirm'>): EventStream => ({
  publish: (...args) => confirmed(lease, () => stream.publish(...args)),
  removeBefore: (...args) => confirmed(lease, () => stream.removeBefore(...args)),
  ensureDurable: (...args) => confirmed(lease, () => stream.ensureDurable(...args)),
  removeDurable: (...args) => confirmed(lease, () => stream.removeDurable(...args)),
  durables: (...args) => stream.durables(...args),
  fill: () => stream.fill(),
  oldest: (...args) => stream.oldest(...args),
  lastPerSubject: (...args) => stream.lastPerSubject(...args),
  follow: (...args) => stream.follow(...args),
});
