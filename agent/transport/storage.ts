// Opens the requester's storage on JetStream. Only the requester loads this file, because agents store nothing.
import { openBucket } from './bucket.ts';
import type { StorageEnvironment } from './consume.ts';
import { openStream } from './event-stream.ts';
import type { Storage } from './port.ts';
import { reopenStream } from './shut-stream.ts';
import { readReplicas } from './stream-replicas.ts';

export function openStorage(environment: StorageEnvironment): Storage {
  return {
    bucket: config => openBucket(environment, config),
    stream: config => openStream(environment, config),
    reopen: stream => reopenStream(environment.connection, stream),
    replicas: stream => readReplicas(environment.connection, stream),
  };
}
