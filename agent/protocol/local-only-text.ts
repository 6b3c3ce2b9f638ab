// Says for people that what was made works on the requester's machine only.

/** Returns two lines about a broker whose `servers` listen on the loopback only. They hold the names of the servers as they came. */
export const localOnlyText = (servers: readonly string[]): string[] => [
  `It works on this machine only: the broker listens on ${servers.join(', ')}.`,
  'For other machines, first set broker.host, for example to 0.0.0.0 (with a NATS of your own, broker.advertise), and restart the requester.',
];
