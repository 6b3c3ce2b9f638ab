// Opens the requester's storage on JetStream. Only the requester loads this file, because agents store nothing.
import { openBucket } from './bucket.ts';
import type { StorageEnvironment } from './consume.ts';
import { openStream } from './event-stream.ts';
import type { Storage } from './port.ts';
import { reopenStream } from './shut-stream.ts';
import { readReplicas } from './stream-replicas.ts';

export function openStorage(environment: StorageEnvironment): Storage {
  const readings = new Set<() => void>();
  const shared = { ...environment, readings };
  return {
    bucket: config => openBucket(shared, config),
    stream: config => openStream(shared, config),
    replicas: stream => readReplicas(environment.connection, stream),
    reopen: stream => reopenStream(environment.connection, stream),
    readAgain: () => {
      for (const begin of [...readings]) begin();
    },
  };
}
