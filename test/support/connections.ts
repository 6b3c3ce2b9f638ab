// Connections for tests, with everything that is no concern of the test filled in; all are closed at the end of the file.
import { after } from 'node:test';
import { systemClock } from '../../agent/system/clock.ts';
import { silentLog } from '../../agent/system/log.ts';
import { systemRandom } from '../../agent/system/random.ts';
import { type ConnectionOptions, connect } from '../../agent/transport/nats.ts';
import type { Connection, ConnectionState } from '../../agent/transport/port.ts';

const open = new Set<Connection>();
after(() => Promise.all([...open].map(connection => connection.close(0))));

export function connectTo(servers: string | string[], options: Partial<ConnectionOptions> = {}): Connection {
  const connection = connect({
    name: 'test',
    credentials: () => ({}),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    ...options,
    servers: [servers].flat(),
  });
  open.add(connection);
  return connection;
}

/** The first state of that kind, now or later. */
export function stateOf<K extends ConnectionState['kind']>(
  connection: Connection,
  kind: K,
): Promise<Extract<ConnectionState, { kind: K }>> {
  return new Promise(resolve => {
    const look = (state: ConnectionState) => {
      if (state.kind !== kind) return;
      listener.unsubscribe();
      resolve(state as Extract<ConnectionState, { kind: K }>);
    };
    const listener = connection.onState(look);
    look(connection.state);
  });
}

export const text = (data: Uint8Array): string => new TextDecoder().decode(data);
export const bytes = (value: string): Uint8Array => new TextEncoder().encode(value);
