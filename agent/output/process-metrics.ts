// The figures that every role has: its version, what its process uses, and what keeps it from its work.
import type { Trouble } from '../system/trouble.ts';
import { version } from '../system/version.ts';
import { figure, type Metric } from './metrics.ts';

/** Returns the figures of this process. Those about the process have the names that all client libraries use. */
export function processMetrics(role: 'agent' | 'requester', troubles: readonly Trouble[] = []): Metric[] {
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  const codes = [...new Set(troubles.map(({ code }) => code))];
  return [
    {
      type: 'gauge',
      name: 'muster_build_info',
      help: 'Always 1; the labels say which version of muster runs in which role.',
      samples: [{ labels: { version, role }, value: 1 }],
    },
    {
      type: 'gauge',
      name: 'muster_trouble',
      help: 'Always 1, for each trouble that keeps the role from its work; muster status says more.',
      samples: codes.map(code => ({ labels: { code }, value: 1 })),
    },
    ...figure(
      'counter',
      'process_cpu_seconds_total',
      'CPU time of this process.',
      (userCPUTime + systemCPUTime) / 1e6,
    ),
    ...figure(
      'gauge',
      'process_resident_memory_bytes',
      'Resident memory of this process.',
      process.memoryUsage.rss(),
    ),
    ...figure(
      'gauge',
      'process_start_time_seconds',
      'Start of this process, in seconds since 1970.',
      performance.timeOrigin / 1000,
    ),
  ];
}
