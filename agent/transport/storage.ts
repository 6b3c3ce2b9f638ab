// Opens the requester's storage on JetStream. Only the requester loads this file, because agents store nothing.
import { openBucket } from './bucket.ts';
import type { StorageEnvironment } from './consume.ts';
import { openStream } from './event-stream.ts';
import type { Storage } from './port.ts';

export function openStorage(environment: StorageEnvironment): Storage {
  return {
    bucket: ({ name }) => openBucket(environment, name),
    stream: config => openStream(environment, config),
  };
}
