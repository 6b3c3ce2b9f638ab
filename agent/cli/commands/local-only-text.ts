// Says for people that what was made works on the requester's machine only.
import { printable } from '../../system/printable.ts';

/** Returns two lines about a broker whose `servers` listen on the loopback only. */
export const localOnlyText = (servers: readonly string[]): string[] => [
  printable(`It works on this machine only: the broker listens on ${servers.join(', ')}.`, 1_024),
  'For other machines, first set broker.host, for example to 0.0.0.0 (with a NATS of your own, broker.advertise), and restart the requester.',
];
