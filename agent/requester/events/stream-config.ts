// Configures the stream in which the broker stores events for other systems.
import { eventStreamName, nodeEventsWildcard } from '../../protocol/subjects.ts';
import type { StreamConfig } from '../../transport/port.ts';

export const eventStreamConfig: StreamConfig = {
  name: eventStreamName,
  subjects: [nodeEventsWildcard],
  maxAgeMs: 30 * 24 * 3600 * 1000,
  maxBytes: 1024 ** 3,
};
