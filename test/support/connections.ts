// Opens connections that are closed when the tests of the file are done.
import { after } from 'node:test';
import type { ConnectionOptions } from '../../agent/transport/nats.ts';
import type { Connection, ConnectionState, CopyingConnection } from '../../agent/transport/port.ts';
import { startConnection } from './open-connection.ts';

const open = new Set<Connection>();
after(() => Promise.all([...open].map(connection => connection.close(0))));

export function connectTo(
  servers: string | string[],
  options: Partial<ConnectionOptions> = {},
): CopyingConnection {
  const connection = startConnection(servers, options);
  open.add(connection);
  return connection;
}

/** Resolves with the first state of this kind, now or later. */
export function stateOf<K extends ConnectionState['kind']>(
  connection: Connection,
  kind: K,
): Promise<Extract<ConnectionState, { kind: K }>> {
  return new Promise(resolve => {
    const check = (state: ConnectionState) => {
      if (state.kind !== kind) return;
      listener.unsubscribe();
      resolve(state as Extract<ConnectionState, { kind: K }>);
    };
    const listener = connection.onState(check);
    check(connection.state);
  });
}

export const text = (data: Uint8Array): string => new TextDecoder().decode(data);
export const bytes = (value: string): Uint8Array => new TextEncoder().encode(value);
