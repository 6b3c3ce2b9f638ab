// Says in words why the node info store did not carry out an operation.
import type { BrokerError } from '../../transport/port.ts';

/** Returns what is wrong with the store. A store that refused has answered, so it is not called silent. */
export function storeFault({ fault }: BrokerError): string {
  if (fault === 'no_space') return 'the disk of the node info store is full';
  if (fault === 'refused') return 'the node info store refuses what should be stored';
  return 'the node info store does not answer';
}

/** Returns what to do about a full disk. `brokerFolder` is the folder of the requester's own broker, if it has one. */
export const roomHint = (brokerFolder: string | undefined): string =>
  brokerFolder ? `make room on the disk of ${brokerFolder}` : 'make room on the disk of the broker';
