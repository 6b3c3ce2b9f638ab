// Runs three real nats-servers with JetStream that form one cluster. A test can kill, suspend and start each of them.
import { connect } from 'nats';
import { eventually } from './eventually.ts';
import { freePort } from './listener.ts';
import { makeNatsServer, type NatsServer, type NatsServerOptions } from './nats-server.ts';

export class NatsCluster {
  readonly servers: readonly NatsServer[];

  /** Starts `size` servers, and waits until their cluster stores. The caller releases the cluster. */
  static async start(size = 3, options: NatsServerOptions = {}): Promise<NatsCluster> {
    const routes = await Promise.all(Array.from({ length: size }, () => freePort()));
    const urls = routes.map(port => `"nats://127.0.0.1:${port}"`).join(', ');
    const servers = await Promise.all(
      routes.map((port, index) => {
        const own = `server_name: s${index}\ncluster { name: "c", listen: "127.0.0.1:${port}", routes: [${urls}] }\n`;
        return makeNatsServer({ ...options, config: `${own}${options.config ?? ''}` });
      }),
    );
    const cluster = new NatsCluster(servers);
    try {
      await Promise.all(servers.map(server => server.start()));
      await cluster.untilStoring();
      return cluster;
    } catch (error) {
      await cluster.release();
      throw error;
    }
  }

  private constructor(servers: readonly NatsServer[]) {
    this.servers = servers;
  }

  get urls(): string[] {
    return this.servers.map(({ url }) => url);
  }

  server(index: number): NatsServer {
    const server = this.servers[index];
    if (!server) throw new Error(`the cluster has no server ${index}`);
    return server;
  }

  /** Returns the number of the server with this name. */
  indexOf(name: string): number {
    return Number(name.slice(1));
  }

  /** Waits until the cluster has a leader and all servers as its members, so that it can place a stream on each. */
  async untilStoring(): Promise<void> {
    const replicas = this.servers.length;
    await eventually('the cluster of nats-servers stores', async () => {
      const link = await connect({ servers: this.urls, timeout: 2_000, reconnect: false }).catch(
        () => undefined,
      );
      if (!link) return false;
      try {
        const body = JSON.stringify({
          name: 'PROBE',
          subjects: ['probe'],
          storage: 'memory',
          num_replicas: replicas,
        });
        const answer = await link.request('$JS.API.STREAM.CREATE.PROBE', body, { timeout: 2_000 });
        const { error } = answer.json<{ error?: unknown }>();
        if (error) return false;
        await link.request('$JS.API.STREAM.DELETE.PROBE', '', { timeout: 2_000 });
        return true;
      } catch {
        return false;
      } finally {
        await link.close();
      }
    });
  }

  async release(): Promise<void> {
    await Promise.all(this.servers.map(server => server.release()));
  }
}
