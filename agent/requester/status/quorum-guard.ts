// Refuses what needs the store while the store says that it has no leader: a write that got no answer may stand later.
import { BrokerError, type Bucket, type EventStream, type Storage } from '../../transport/port.ts';
import type { ReplicaWatch } from './replica-watch.ts';

type Watch = Pick<ReplicaWatch, 'faultOf' | 'ask'>;

/** Returns the storage whose reads and writes fail by `no_quorum`, and are not sent, while their stream has no leader. */
export function guardByQuorum(storage: Storage, watch: Watch): Storage {
  return {
    bucket: async config => guardBucket(await storage.bucket(config), `KV_${config.name}`, watch),
    stream: async config => guardStream(await storage.stream(config), config.name, watch),
    replicas: stream => storage.replicas(stream),
    reopen: stream => storage.reopen(stream),
    readAgain: () => storage.readAgain(),
  };
}

function guardBucket(bucket: Bucket, stream: string, watch: Watch): Bucket {
  const pass = passFor(stream, watch);
  return {
    state: () => bucket.state(),
    watch: (...args) => bucket.watch(...args),
    get: key => pass(() => bucket.get(key)),
    put: (...args) => pass(() => bucket.put(...args)),
    purge: (...args) => pass(() => bucket.purge(...args)),
    remove: (...args) => pass(() => bucket.remove(...args)),
  };
}

function guardStream(stream: EventStream, name: string, watch: Watch): EventStream {
  const pass = passFor(name, watch);
  return {
    ...stream,
    publish: (...args) => pass(() => stream.publish(...args)),
    publishBatch: (...args) => pass(() => stream.publishBatch(...args)),
  };
}

/** Returns what does the work, unless the store says now that the stream has no leader. */
const passFor =
  (stream: string, watch: Watch) =>
  async <T>(work: () => Promise<T>): Promise<T> => {
    // What the watch knows may be some seconds old.
    if (watch.faultOf(stream)) await watch.ask();
    const fault = watch.faultOf(stream);
    if (fault) throw new BrokerError('no_quorum', fault);
    try {
      return await work();
    } catch (error) {
      if (error instanceof BrokerError && /^(timeout|write_under_way)$/.test(error.fault)) void watch.ask();
      throw error;
    }
  };
