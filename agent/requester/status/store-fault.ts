// Says in words why the broker did not store something.
import { type BrokerError, isRefusal } from '../../transport/port.ts';

/** Where something could not be stored. */
export type StorePart = 'the node info store' | 'the event stream' | 'the cluster store';

/** Returns what is wrong with a part of the store. One that refused has answered, so it is not called silent. */
export function storeFault(error: BrokerError, part: StorePart = 'the node info store'): string {
  if (error.fault === 'no_space') return `the disk of ${part} is full`;
  if (error.fault === 'no_quorum') return `${part} cannot be written`;
  if (error.fault === 'write_under_way') return `${part} has not finished another write of it`;
  if (error.fault === 'store_missing') return `${part} is not found`;
  if (isRefusal(error)) return `${part} refuses what should be stored`;
  return `${part} does not answer`;
}

/** Returns whether a write has failed for sure. A store that gave no answer may have stored it. */
export const isKnownToHaveFailed = (error: BrokerError): boolean =>
  error.fault === 'no_space' ||
  error.fault === 'no_quorum' ||
  error.fault === 'write_under_way' ||
  error.fault === 'store_missing' ||
  isRefusal(error);

/** Returns what to do about a full disk. `brokerFolder` is the folder of the requester's own broker, if it has one. */
export const roomHint = (brokerFolder: string | undefined): string =>
  brokerFolder ? `make room on the disk of ${brokerFolder}` : 'make room on the disk of the broker';
