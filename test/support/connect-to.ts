// A connection of the test's own to a broker, to look at what passes and to send what no agent would.
import { systemClock } from '../../agent/system/clock.ts';
import { silentLog } from '../../agent/system/log.ts';
import { systemRandom } from '../../agent/system/random.ts';
import { connect } from '../../agent/transport/nats.ts';
import type { Connection } from '../../agent/transport/port.ts';

export async function connectTo(url: string, name = 'test'): Promise<Connection> {
  const connection = connect({
    servers: [url],
    name,
    credentials: () => ({}),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
  await connection.connected();
  return connection;
}
