// Checks that no other program uses the requester's ports while the requester does not run.
import { connect } from 'node:net';
import { localAddress } from '../../broker/tls/names.ts';
import { type Check, type Finding, failed, ok } from './check.ts';
import type { Context } from './context.ts';

/** Time to connect, in milliseconds. */
const connectTimeoutMs = 2_000;

export const ports = ({ settings, requester }: Context): Check => ({
  name: 'ports',
  async run() {
    // A requester that does not answer may still run.
    if ((await requester().catch(() => 'unknown')) !== undefined) return [];
    const { api, broker, nats } = settings;
    const wanted = [
      { setting: 'api.port', host: api.host, port: api.port },
      ...(nats.servers.length === 0
        ? [{ setting: 'broker.port', host: broker.host, port: broker.port }]
        : []),
    ].filter(({ port }) => port !== 0);
    const taken = await Promise.all(
      wanted.map(async one => ((await isListening(one)) ? inUse(one) : undefined)),
    );
    const findings = taken.filter(finding => finding !== undefined);
    return findings.length > 0
      ? findings
      : [ok(`free: ${wanted.map(({ port, setting }) => `${port} (${setting})`).join(', ')}`)];
  },
});

interface Wanted {
  readonly setting: string;
  readonly host: string;
  readonly port: number;
}

const inUse = ({ setting, host, port }: Wanted): Finding =>
  failed(
    `port ${port} of ${host} (${setting}) is in use by another program`,
    `stop that program (as root, ss -ltnp "sport = :${port}" shows it), or choose another ${setting}`,
  );

// Returns whether a program listens. It connects, because listening could take the port from a requester that is just
// starting.
function isListening({ host, port }: Wanted): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host: localAddress(host), port });
    socket.setTimeout(connectTimeoutMs);
    for (const [event, answer] of [
      ['connect', true],
      ['error', false],
      ['timeout', false],
    ] as const) {
      socket.once(event, () => {
        socket.destroy();
        resolve(answer);
      });
    }
  });
}
