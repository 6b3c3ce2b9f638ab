// Durable storage on JetStream. Loaded by the requester alone: agents never need it.
import { openBucket } from './bucket.ts';
import type { StoreEnvironment } from './consume.ts';
import { openStream } from './event-stream.ts';
import type { Storage } from './port.ts';

export function openStorage(environment: StoreEnvironment): Storage {
  return {
    bucket: ({ name }) => openBucket(environment, name),
    stream: config => openStream(environment, config),
  };
}
