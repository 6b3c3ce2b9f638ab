// Says in a sentence whether a role has a connection to its broker, for its status and its service manager.

import { durationText } from '../protocol/unit-text.ts';
import type { Trouble } from '../system/trouble.ts';
import { connectRemedies } from '../transport/failure.ts';
import type { ConnectFault, ConnectionState } from '../transport/port.ts';

/**
 * Returns the trouble of a lost connection; undefined while there is one, and during the first attempt. `now` is in
 * milliseconds of the monotonic clock. `hint` replaces the usual one.
 */
export function brokerTrouble(connection: ConnectionState, now: number, hint?: string): Trouble | undefined {
  if (connection.kind !== 'disconnected') return undefined;
  const { fault, reason, since } = connection;
  const what = fault === 'unreachable' ? 'broker unreachable' : 'no connection to the broker';
  return {
    code: fault === 'unreachable' ? 'broker_away' : 'broker_refuses',
    text: `${what} for ${durationText(now - since)}, retrying (${reason})`,
    hint: hint ?? connectRemedies[fault],
  };
}

/** Returns a sentence about the state of a connection. */
export function connectionText(state: ConnectionState): string {
  if (state.kind === 'connected') return `connected to ${state.server}`;
  return state.kind === 'disconnected' ? state.reason : state.kind;
}

/**
 * Returns what to do when the broker of another requester, or a NATS that asks whom to let in, refuses a requester, whose public
 * key is `key`; undefined where the usual remedy will do. Its status and the doctor show it.
 */
export function requesterRemedy(fault: ConnectFault, key?: string): string | undefined {
  if (fault === 'unauthorized')
    return `add ${key ? `${key}, the key of this requester,` : 'the key of this requester, which muster status names while it runs,'} to broker.requesters of the requester that runs the broker, and start that one again; at a NATS of your own, give its servers what muster broker config prints`;
  if (fault === 'tls')
    return 'check the clocks, the certificate of the broker, and nats.tls.*; the CA of the broker of another requester comes with its keys: muster broker share-keys there, muster broker take-keys here';
  return undefined;
}
