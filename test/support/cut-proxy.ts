// A proxy on the way between two machines. A test cuts the way: no byte goes on, in one direction or in both, and neither
// side is told. Once the way is mended, the bytes that waited go on, as TCP sends them again.
import { connect, type Socket } from 'node:net';
import { listen } from './listener.ts';

/** Which bytes are held back: those of the clients, and those of the server behind the proxy. */
export interface Cut {
  ofClients: boolean;
  ofServer: boolean;
}

export interface CutProxy {
  port: number;
  /** Holds bytes back from now on, also those of connections to come; or lets them go on. */
  cut(cut: Cut): void;
  close(): Promise<void>;
}

/** Starts a proxy in front of a port of this machine. The caller closes it. */
export async function startCutProxy(to: number): Promise<CutProxy> {
  const ways = new Set<Way>();
  let now: Cut = { ofClients: false, ofServer: false };
  const listener = await listen(client => {
    const way: Way = { client, server: connect(to, '127.0.0.1') };
    ways.add(way);
    way.server.on('error', () => undefined);
    client.on('data', chunk => way.server.write(chunk));
    way.server.on('data', chunk => client.write(chunk));
    for (const socket of [client, way.server])
      socket.on('close', () => {
        carryOn(way, now);
        if (client.closed && way.server.closed) ways.delete(way);
      });
    carryOn(way, now);
  });
  return {
    port: listener.port,
    cut(cut) {
      now = cut;
      for (const way of ways) carryOn(way, now);
    },
    async close() {
      for (const { client, server } of ways) for (const socket of [client, server]) socket.destroy();
      await listener.close();
    },
  };
}

interface Way {
  client: Socket;
  server: Socket;
}

function carryOn({ client, server }: Way, { ofClients, ofServer }: Cut): void {
  carryFrom(client, server, ofClients);
  carryFrom(server, client, ofServer);
}

// The end of a connection is held back like its bytes.
function carryFrom(from: Socket, to: Socket, isHeld: boolean): void {
  if (isHeld) from.pause();
  else if (from.closed) to.end();
  else from.resume();
}
