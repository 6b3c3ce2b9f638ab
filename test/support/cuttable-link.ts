// A TCP proxy that a test can cut: it drops what is sent one way or both, or ends the connections and takes no new ones.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * How a link is cut. `closed` ends the connections, as a reset does, and lets none be made. The others leave them open and
 * drop bytes, as a broken switch does: `silent` drops those of both sides, `deaf` those of the side that dialled, and `mute`
 * those of the side that was dialled.
 */
export type Cut = 'closed' | 'silent' | 'deaf' | 'mute';

export class CuttableLink {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #to: number;
  #cut: Cut | undefined;

  /** Starts a proxy to a port of this machine. The caller closes it. */
  static async start(to: number): Promise<CuttableLink> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new CuttableLink(server, to);
  }

  private constructor(server: Server, to: number) {
    const address = server.address();
    this.port = typeof address === 'object' && address ? address.port : 0;
    this.#server = server;
    this.#to = to;
    server.on('connection', socket => this.#serve(socket));
  }

  cut(how: Cut): void {
    this.#cut = how;
    if (how === 'closed') this.#endAll();
  }

  /** Lets everything through again. What was dropped is lost, so the connections that stayed open are ended. */
  heal(): void {
    this.#cut = undefined;
    this.#endAll();
  }

  async close(): Promise<void> {
    this.#endAll();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serve(dialler: Socket): void {
    if (this.#cut === 'closed') return void dialler.destroy();
    const dialled = connect(this.#to, '127.0.0.1');
    for (const socket of [dialler, dialled]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
    }
    dialler.on('close', () => dialled.destroy());
    dialled.on('close', () => dialler.destroy());
    dialler.on('data', data => void (this.#drops('deaf') || dialled.write(data)));
    dialled.on('data', data => void (this.#drops('mute') || dialler.write(data)));
  }

  #drops(way: 'deaf' | 'mute'): boolean {
    return this.#cut === 'silent' || this.#cut === way;
  }

  #endAll(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }
}
