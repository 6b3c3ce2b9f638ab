// What the requester counts of what it refused or ignored, for its status and for the logs.

export const counterNames = [
  'heartbeats',
  'heartbeatsUnknown',
  'heartbeatsOtherSession',
  'heartbeatsMalformed',
  'requests',
  'requestsMalformed',
  'requestsRefused',
  'storeFailures',
  'conflicts',
] as const;

export type CounterName = (typeof counterNames)[number];
export type Counters = Record<CounterName, number>;

export const newCounters = (): Counters =>
  Object.fromEntries(counterNames.map(name => [name, 0])) as Counters;
