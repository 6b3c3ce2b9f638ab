// Runs three real nats-servers of one cluster as if each were at a site of its own, with the clients that are near it. A test
// cuts a site off from the two others, for servers and clients alike.
import { type CutProxy, startCutProxy } from './cut-proxy.ts';
import { freePort } from './listener.ts';
import { makeNatsServer, type NatsServer } from './nats-server.ts';

/** What is lost between a site and the others: what the site sends, what it should get, or both. */
export type Loss = 'sent' | 'received' | 'both';

/** A way from the site of a client, or of a server that opens a route, to the server of another site. */
interface Way {
  from: number;
  to: number;
  /** Leads to the port for clients. */
  clients: CutProxy;
  /** Leads to the port for routes. */
  routes: CutProxy;
}

export const sites = [0, 1, 2] as const;

export class NatsSites {
  readonly #servers: readonly NatsServer[];
  readonly #ways: readonly Way[];
  readonly #routePorts: readonly number[];
  readonly #names = sites.map(site => `s${site}`);
  readonly #advertises: boolean;
  #config = '';

  /**
   * Makes the servers and the ways between them, and starts no server. The caller releases them. With `advertises` each server
   * names all of them to its clients, who then go past the ways between the sites.
   */
  static async make({ advertises = false } = {}): Promise<NatsSites> {
    const servers = await Promise.all(sites.map(() => makeNatsServer()));
    const routePorts = await Promise.all(sites.map(() => freePort()));
    const pairs = sites.flatMap(from => sites.filter(to => to !== from).map(to => ({ from, to })));
    const ways = await Promise.all(
      pairs.map(async ({ from, to }) => ({
        from,
        to,
        clients: await startCutProxy(servers[to]?.port ?? 0),
        routes: await startCutProxy(routePorts[to] ?? 0),
      })),
    );
    return new NatsSites(servers, routePorts, ways, advertises);
  }

  private constructor(
    servers: readonly NatsServer[],
    routePorts: readonly number[],
    ways: readonly Way[],
    advertises: boolean,
  ) {
    this.#advertises = advertises;
    this.#servers = servers;
    this.#routePorts = routePorts;
    this.#ways = ways;
  }

  server(site: number): NatsServer {
    const server = this.#servers[site];
    if (!server) throw new Error(`there is no site ${site}`);
    return server;
  }

  /** Returns the name of the server at a site. */
  nameOf(site: number): string {
    return this.#names[site] ?? '';
  }

  /** Returns the site of the server with this name; -1 for a former name. */
  siteOf(name: string): number {
    return this.#names.indexOf(name);
  }

  /** Returns the addresses of all servers for a client at a site, the near one first. */
  urlsAt(site: number): string[] {
    const near = this.server(site).url;
    return [
      near,
      ...this.#ways
        .filter(({ from }) => from === site)
        .map(({ clients }) => `nats://127.0.0.1:${clients.port}`),
    ];
  }

  /** Starts all servers, with further lines in the configuration of each. Resolves when clients can connect. */
  async start(config: string): Promise<void> {
    this.#config = config;
    await Promise.all(sites.map(site => this.startServer(site)));
  }

  /** Sets the further lines that each server has from its next start on. */
  reconfigure(config: string): void {
    this.#config = config;
  }

  /** Starts the server of a site. With `name` it is a new member of the cluster, as one with an empty disk must be. */
  async startServer(site: number, name = this.nameOf(site)): Promise<void> {
    this.#names[site] = name;
    const routes = this.#ways
      .filter(({ from }) => from === site)
      .map(way => `"nats://127.0.0.1:${way.routes.port}"`);
    // The servers do not tell each other where they are, so that their routes go by the ways between the sites.
    const cluster = [
      'name: muster',
      `listen: "127.0.0.1:${this.#routePorts[site]}"`,
      'advertise: "127.0.0.1:1"',
      `no_advertise: ${!this.#advertises}`,
      'ping_interval: "2s"',
      `routes: [ ${routes.join(', ')} ]`,
    ];
    await this.server(site).start(
      `server_name: ${name}\n${this.#config}\ncluster {\n  ${cluster.join('\n  ')}\n}\n`,
    );
  }

  /** Cuts a site off from the two others. With `onlyServers` clients still reach all servers. */
  cutOff(site: number, loss: Loss = 'both', { onlyServers = false } = {}): void {
    const sent = loss !== 'received';
    const received = loss !== 'sent';
    for (const { from, to, clients, routes } of this.#ways) {
      if (from !== site && to !== site) continue;
      const cut =
        from === site ? { ofClients: sent, ofServer: received } : { ofClients: received, ofServer: sent };
      if (!onlyServers) clients.cut(cut);
      routes.cut(cut);
    }
  }

  /** Mends all ways. */
  mend(): void {
    for (const { clients, routes } of this.#ways)
      for (const proxy of [clients, routes]) proxy.cut({ ofClients: false, ofServer: false });
  }

  async release(): Promise<void> {
    await Promise.all(this.#servers.map(server => server.release()));
    await Promise.all(this.#ways.flatMap(({ clients, routes }) => [clients.close(), routes.close()]));
  }
}
