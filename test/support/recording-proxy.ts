// A proxy between a client and a broker that keeps every byte of the client, as somebody in between could.

import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';

export interface RecordingProxy {
  port: number;
  /** The bytes of the clients, as text. Of a proxy with TLS, what it could decrypt. */
  seen(): string;
  close(): Promise<void>;
}

export interface ProxyOptions {
  /** The port of the broker. */
  to: number;
  /** Changes what the broker sends. */
  alter?: ((text: string) => string) | undefined;
  /** The certificate and key of the proxy, which then ends TLS itself. */
  tls?: TlsOptions | undefined;
  /** Time that passes before bytes of the client go on, in milliseconds. */
  delayMs?: number | undefined;
}

export async function startProxy({ to, alter, tls, delayMs = 0 }: ProxyOptions): Promise<RecordingProxy> {
  const sockets = new Set<Socket>();
  const chunks: Buffer[] = [];
  const serve = (client: Socket) => {
    const broker = connect(to, '127.0.0.1');
    for (const socket of [client, broker]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
    }
    client.on('close', () => broker.destroy());
    broker.on('close', () => client.destroy());
    client.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if (delayMs === 0) broker.write(chunk);
      else setTimeout(() => broker.write(chunk), delayMs);
    });
    broker.on('data', (chunk: Buffer) =>
      client.write(alter ? Buffer.from(alter(chunk.toString('latin1')), 'latin1') : chunk),
    );
  };
  const server: Server = tls ? createTlsServer(tls, serve) : createServer(serve);
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    seen: () => Buffer.concat(chunks).toString('latin1'),
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
