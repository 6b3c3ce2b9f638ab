// The settings of the figures that an agent serves for Prometheus. Those of the requester are at its API.
import { host, port } from './network.ts';
import type { Setting } from './setting.ts';

export const metricsSettings = {
  'metrics.port': {
    type: port,
    reload: false,
    roles: 'agent',
    help: 'port on which the agent serves figures for Prometheus at /metrics; by default it serves none',
  },
  'metrics.host': {
    type: host,
    default: '127.0.0.1',
    reload: false,
    roles: 'agent',
    help: 'address for metrics.port; beyond the loopback everybody who reaches it may read them',
  },
} satisfies Record<string, Setting>;
