// Configures the stream in which the broker stores events for other systems.
import { eventStreamName, nodeEventsWildcard, watchSubject } from '../../protocol/subjects.ts';
import type { StreamConfig } from '../../transport/port.ts';

export const eventStreamConfig: StreamConfig = {
  name: eventStreamName,
  subjects: [nodeEventsWildcard, watchSubject],
  maxAgeMs: 30 * 24 * 3600 * 1000,
  maxBytes: 1024 ** 3,
};
