// The counters count the messages that the requester accepted, refused or ignored. The status shows them.

export const counterNames = [
  'heartbeats',
  'heartbeatsUnknown',
  'heartbeatsOtherSession',
  'heartbeatsMalformed',
  'requests',
  'requestsMalformed',
  'requestsRefused',
  'registrations',
  'registrationsRefused',
  'storeFailures',
  'conflicts',
  'strangers',
  'refusedKeys',
  'refusedTokens',
] as const;

export type CounterName = (typeof counterNames)[number];
export type Counters = Record<CounterName, number>;

export const newCounters = (): Counters =>
  Object.fromEntries(counterNames.map(name => [name, 0])) as Counters;
