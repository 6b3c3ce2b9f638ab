// Configures the stream in which the broker stores events for other systems.
import type { StreamConfig } from '../../transport/port.ts';

export const eventStreamConfig: StreamConfig = {
  name: 'NODE_EVENTS',
  subjects: ['node.events.>'],
  maxAgeMs: 30 * 24 * 3600 * 1000,
  maxBytes: 1024 ** 3,
};
