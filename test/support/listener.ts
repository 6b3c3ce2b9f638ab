// Listens on a port of 127.0.0.1 as a program that is not a broker, and finds free ports.
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { errnoOf } from '../../agent/system/errors.ts';

export interface Listener {
  url: string;
  port: number;
  /** The connections that are open now. */
  sockets: ReadonlySet<Socket>;
  /** Number of connections so far. */
  readonly accepted: number;
  close(): Promise<void>;
}

/** Listens on any free port and hands each connection to `accept`. */
export async function listen(accept: (socket: Socket) => void): Promise<Listener> {
  const sockets = new Set<Socket>();
  let accepted = 0;
  const server = createServer(socket => {
    accepted++;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    accept(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    sockets,
    get accepted() {
      return accepted;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

const firstPort = 5_000;
const lastPort = 9_999;

/** The ports between these two to which `fetch` sends no request (https://fetch.spec.whatwg.org/#port-blocking). */
export const refusedByFetch: ReadonlySet<number> = new Set([
  5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697,
]);

/**
 * Returns a free port that no other test on this machine gets while this process lives, whoever runs it. It is below the
 * ports of outgoing connections, so it is still free when a server returns to it.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(firstPort, lastPort + 1);
    if (!refusedByFetch.has(port) && (await reservePort(port)) && (await isFree(port))) return port;
  }
}

/** Returns a free port whose successor is free, too; otherwise as `freePort`. */
export async function freePortPair(): Promise<number> {
  for (;;) {
    const port = await freePort();
    const next = port + 1;
    if (!refusedByFetch.has(next) && (await reservePort(next)) && (await isFree(next))) return port;
  }
}

/**
 * Reserves the TCP port for this process, and returns whether nobody else has reserved it. The reservation is the UDP port
 * of the same number: the system gives it to one process only, and takes it back when that process ends in whatever way.
 */
export async function reservePort(port: number): Promise<boolean> {
  const socket = createSocket('udp4').unref();
  try {
    socket.bind({ port, address: '127.0.0.1', exclusive: true });
    await once(socket, 'listening');
    return true;
  } catch (error) {
    socket.close();
    if (errnoOf(error) === 'EADDRINUSE') return false;
    throw error;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
    server.close();
    await once(server, 'close');
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EADDRINUSE') return false;
    throw error;
  }
}
