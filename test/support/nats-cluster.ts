// Runs three real nats-servers with JetStream that form one cluster. A test can kill, suspend and start each of them.
import { connect } from 'nats';
import { type Cut, CuttableLink } from './cuttable-link.ts';
import { eventually } from './eventually.ts';
import { freePort } from './listener.ts';
import { makeNatsServer, type NatsServer, type NatsServerOptions } from './nats-server.ts';

export interface NatsClusterOptions extends NatsServerOptions {
  /** Whether a test can part its servers from each other. Their routes then go through proxies. */
  partable?: boolean;
  /** More lines for the block `cluster` of each server. */
  clusterConfig?: string;
}

export class NatsCluster {
  readonly servers: readonly NatsServer[];
  readonly #routes: Routes;

  /** Starts `size` servers, and waits until their cluster stores. The caller releases the cluster. */
  static async start(size = 3, options: NatsClusterOptions = {}): Promise<NatsCluster> {
    const ports = await Promise.all(Array.from({ length: size }, () => freePort()));
    const routes = options.partable ? await proxiedRoutes(ports) : plainRoutes(ports);
    const servers = await Promise.all(
      ports.map((_, index) => {
        const block = `${routes.lines(index)} ${options.clusterConfig ?? ''}`;
        const own = `server_name: s${index}\ncluster { name: "c", ${block} }\n`;
        return makeNatsServer({ ...options, config: `${own}${options.config ?? ''}` });
      }),
    );
    const cluster = new NatsCluster(servers, routes);
    try {
      await Promise.all(servers.map(server => server.start()));
      await cluster.untilStoring();
      return cluster;
    } catch (error) {
      await cluster.release();
      throw error;
    }
  }

  private constructor(servers: readonly NatsServer[], routes: Routes) {
    this.servers = servers;
    this.#routes = routes;
  }

  /** Parts a server from all others. Clients still reach each of them. */
  part(index: number, how: Cut): void {
    for (const link of this.#linksOf(index)) link.cut(how);
  }

  heal(): void {
    for (const { link } of this.#routes.links) link.heal();
  }

  #linksOf(index: number): CuttableLink[] {
    return this.#routes.links.filter(({ of }) => of.includes(index)).map(({ link }) => link);
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
    await Promise.all(this.#routes.links.map(({ link }) => link.close()));
  }
}

interface Routes {
  /** Returns what the configuration of a server says of its routes. */
  lines(index: number): string;
  /** The proxies, each with the numbers of the two servers that it joins. */
  links: readonly { of: readonly number[]; link: CuttableLink }[];
}

function plainRoutes(ports: readonly number[]): Routes {
  const urls = ports.map(urlOf).join(', ');
  return { lines: index => `listen: "127.0.0.1:${ports[index]}", routes: [${urls}]`, links: [] };
}

// Each server dials the next one, through a proxy of the two: so there is one route between any two of three. The servers tell
// each other addresses too, and must not go around the proxies, so each says that it is where nobody is.
async function proxiedRoutes(ports: readonly number[]): Promise<Routes> {
  if (ports.length !== 3) throw new Error('only a cluster of three servers can be parted');
  const links = await Promise.all(
    ports.map(async (_, dialler) => {
      const dialled = (dialler + 1) % ports.length;
      return { of: [dialler, dialled], link: await CuttableLink.start(ports[dialled] ?? 0) };
    }),
  );
  const lines = (index: number) => {
    const urls = links.filter(({ of }) => of[0] === index).map(({ link }) => urlOf(link.port));
    return `listen: "127.0.0.1:${ports[index]}", advertise: "127.0.0.1:1", routes: [${urls.join(', ')}]`;
  };
  return { lines, links };
}

const urlOf = (port: number): string => `"nats://127.0.0.1:${port}"`;
