// Something that listens on a port of 127.0.0.1 and is no broker.
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

export interface Listener {
  url: string;
  port: number;
  /** Connections that are open now. */
  sockets: ReadonlySet<Socket>;
  /** Connections so far. */
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

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const listener = await listen(() => undefined);
  await listener.close();
  return listener.port;
}
