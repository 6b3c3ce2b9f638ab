// Opens connections to a broker, with usual values for the options that tests do not set.
import { systemClock } from '../../agent/system/clock.ts';
import { silentLog } from '../../agent/system/log.ts';
import { systemRandom } from '../../agent/system/random.ts';
import { type ConnectionOptions, connect } from '../../agent/transport/nats.ts';
import type { Connection, CopyingConnection } from '../../agent/transport/port.ts';

/** Begins to connect. The caller closes the connection. */
export function startConnection(
  servers: string | string[],
  options: Partial<ConnectionOptions> = {},
): CopyingConnection {
  return connect({
    name: 'test',
    credentials: () => ({}),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    ...options,
    servers: [servers].flat(),
  });
}

/** Connects, and waits until it is connected. The caller closes the connection. */
export async function openConnection(url: string, name = 'test'): Promise<Connection> {
  const connection = startConnection(url, { name });
  await connection.connected();
  return connection;
}
