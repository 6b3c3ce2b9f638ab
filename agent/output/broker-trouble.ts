// Says in a sentence whether a role has a connection to its broker, for its status and its service manager.
import type { Trouble } from '../system/trouble.ts';
import { connectRemedies } from '../transport/failure.ts';
import type { ConnectionState } from '../transport/port.ts';
import { durationText } from './units.ts';

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
