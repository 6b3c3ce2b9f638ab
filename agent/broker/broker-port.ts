// Chooses the port of the broker: the port of the settings, or a free port that later starts use again.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { errnoOf, MusterError, reasonOf } from '../system/errors.ts';
import { writeFileAtomic } from '../system/files.ts';
import type { Log } from '../system/log.ts';
import type { Random } from '../system/random.ts';
import { readPort } from './broker-files.ts';

/**
 * Returns the port to listen on. For port 0 it is the port in the file `path`. When there is none, it is a free port,
 * which is written to that file. @throws MusterError `in_use` with the port and the setting; another code when it cannot
 * listen on the host.
 */
export async function choosePort(
  host: string,
  port: number,
  path: string,
  log: Log,
  random: Random,
): Promise<number> {
  if (port !== 0) return await bindPort(host, port);
  const kept = await readPort(path);
  if (kept !== undefined) {
    try {
      return await bindPort(host, kept);
    } catch (error) {
      if (!isInUse(error)) throw error;
      log.warn(
        { port: kept },
        'the port of the broker is in use: it takes another one, which must be configured on the nodes',
      );
    }
  }
  const free = await freePort(host, random);
  await writeFileAtomic(path, `${free}\n`, 0o644);
  return free;
}

export function isInUse(error: unknown): boolean {
  return error instanceof MusterError && error.code === 'in_use';
}

/**
 * The range from which a free port is chosen. Linux (32768 to 60999, see ip(7)) and macOS (from 49152) use higher ports
 * for outgoing connections. Any program could get such a port while the broker is down, and the nodes would not find the
 * broker again.
 */
const fixedPorts = { first: 10_000, end: 32_768 };

async function freePort(host: string, random: Random): Promise<number> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const port = fixedPorts.first + Math.floor(random.fraction() * (fixedPorts.end - fixedPorts.first));
    try {
      return await bindPort(host, port);
    } catch (error) {
      if (!isInUse(error)) throw error;
    }
  }
  return await bindPort(host, 0);
}

async function bindPort(host: string, port: number): Promise<number> {
  const server = createServer();
  try {
    server.listen({ host, port, exclusive: true });
    await once(server, 'listening');
    const address = server.address();
    return typeof address === 'object' && address ? address.port : port;
  } catch (error) {
    throw cannotListen(host, port, error);
  } finally {
    if (server.listening) {
      server.close();
      await once(server, 'close');
    }
  }
}

function cannotListen(host: string, port: number, cause: unknown): MusterError {
  const where = `the broker cannot listen on port ${port} of ${host}`;
  switch (errnoOf(cause)) {
    case 'EADDRINUSE':
      return new MusterError('in_use', `${where}: it is in use (broker.port)`, {
        hint: 'stop the program that listens there, or set broker.port to another port, or to 0 for any free port',
        cause,
      });
    case 'EACCES':
      return new MusterError('not_allowed', `${where}: permission denied (broker.port)`, {
        hint: 'set broker.port to a port above 1023',
        cause,
      });
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      // It is not `bad_config`, because a service is not restarted after that. At boot, DHCP may assign the address later.
      return new MusterError('failed', `${where}: this machine has no such address (broker.host)`, {
        hint: 'wait until the network is up, or set broker.host to 127.0.0.1, 0.0.0.0 or an address of this machine',
        cause,
      });
    default:
      return new MusterError('failed', `${where}: ${reasonOf(cause)}`, { cause });
  }
}
