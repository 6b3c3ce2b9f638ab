// Runs two requesters of one roll on a NATS server of one's own, and simulated nodes that come in by a join code.
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { CloudEvent } from '../../agent/protocol/events.ts';
import { readJoinCode } from '../../agent/protocol/join-code.ts';
import type { NodeView } from '../../agent/requester/directory/node-view.ts';
import type { RequesterStatus } from '../../agent/requester/status/requester-status.ts';
import { Cluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { freePort } from './listener.ts';
import { makeNatsServer, type NatsServer } from './nats-server.ts';
import { printOwnNatsConfig } from './own-nats.ts';
import { muster, type Program, type RunOptions } from './program.ts';
import { readEvents } from './read-events.ts';
import { readShown } from './read-shown.ts';
import type { Values } from './settings-text.ts';
import { SimulatedNode } from './simulated-node.ts';

/** Hands the keys of node-0 to another requester of the cluster, by the commands, and returns its public key. */
export async function handKeys(cluster: Cluster, id: string, ...flags: string[]): Promise<string> {
  const file = join(cluster.folder, `${id}.json`);
  const first = ['--data-dir', cluster.folderOf('node-0')];
  const shared = await muster(['broker', 'share-keys', '--save', file, ...first, ...flags]);
  assert.equal(shared.code, 0, shared.stderr);
  const taken = await muster(['broker', 'take-keys', file, '--data-dir', cluster.folderOf(id)]);
  assert.equal(taken.code, 0, taken.stderr);
  await rm(file);
  return taken.stdout.trim();
}

/** One of the requesters: its process and its API. */
export class OneOfTwo {
  readonly id: string;
  readonly port: number;
  readonly #cluster: Cluster;
  #settings: Values;
  program: Program | undefined;

  constructor(cluster: Cluster, id: string, port: number, settings: Values = {}) {
    this.#cluster = cluster;
    this.id = id;
    this.port = port;
    this.#settings = { 'api.port': port, ...settings };
  }

  /** Starts it with further settings, which it keeps, and waits until it is ready. `options` may name another program. */
  async start(settings: Values = {}, options: RunOptions = {}): Promise<Program> {
    this.#settings = { ...this.#settings, ...settings };
    this.program = await this.#cluster.requester(this.#settings, { ...options, id: this.id });
    return this.program;
  }

  async status(): Promise<RequesterStatus> {
    return readShown(await (await this.#get('status')).text());
  }

  async nodes(): Promise<NodeView[]> {
    return ((await (await this.#get('nodes')).json()) as { Nodes?: NodeView[] }).Nodes ?? [];
  }

  /** Returns membership and health of a node as this requester knows them. */
  async stateOf(id: string): Promise<string | undefined> {
    const node = (await this.nodes()).find(({ Info }) => Info.NodeID === id);
    return node && `${node.Membership} ${node.Muster.Health}`;
  }

  /** Returns the stored events of nodes, the oldest first. */
  events(): Promise<CloudEvent[]> {
    return readEvents(() => this.#get('events'));
  }

  /** Sends a decision, if needed under an operation, and returns the status of the answer. */
  async decide(
    node: string,
    action: 'approve' | 'reject' | 'delete' | 'undelete',
    reason: string,
    operation?: string,
  ): Promise<number> {
    const body = { Action: action, Message: reason, Actor: 'a test' };
    return (await this.send('PUT', `nodes/${node}`, { body, operation })).status;
  }

  /** Asks the API as an operator, by default with the token of this machine. */
  async send(
    method: string,
    path: string,
    {
      body,
      token,
      operation,
      signal = null,
      headers = {},
    }: {
      body?: object;
      token?: string;
      operation?: string | undefined;
      signal?: AbortSignal | null;
      headers?: Record<string, string>;
    } = {},
  ): Promise<{ status: number; text: string }> {
    const answer = await fetch(`http://127.0.0.1:${this.port}/api/v1/orchestrator/${path}`, {
      method,
      signal,
      headers: {
        connection: 'close',
        'content-type': 'application/json',
        authorization: `Bearer ${token ?? (await this.#cluster.operatorToken(this.id))}`,
        ...(operation ? { 'muster-operation': operation } : {}),
        ...headers,
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    return { status: answer.status, text: await answer.text() };
  }

  /** Resolves when it says that it watches. */
  async untilItWatches(): Promise<void> {
    await eventually(`${this.id} watches`, async () => (await this.status()).watcher === this.id);
  }

  #get(path: string): Promise<Response> {
    const url = `http://127.0.0.1:${this.port}/api/v1/orchestrator/${path}`;
    return fetch(url, { headers: { connection: 'close' } });
  }
}

export class TwoRequesters {
  readonly server: NatsServer;
  readonly cluster: Cluster;
  readonly one: OneOfTwo;
  readonly other: OneOfTwo;
  readonly #nodes: SimulatedNode[] = [];
  readonly #beating: NodeJS.Timeout;

  /** Starts both on a new NATS server. `options` may name another program for both. */
  static async start(settings: Values = {}, options: RunOptions = {}): Promise<TwoRequesters> {
    const server = await makeNatsServer();
    const cluster = await Cluster.create({ servers: server.url, asks: true, settings });
    const key = await handKeys(cluster, 'node-b');
    await server.start(await printOwnNatsConfig(cluster, '--broker-requesters', key));
    const two = new TwoRequesters(server, cluster, await freePort());
    try {
      await two.one.start({}, options);
      await two.other.start({}, options);
    } catch (error) {
      await two.release();
      throw error;
    }
    return two;
  }

  private constructor(server: NatsServer, cluster: Cluster, port: number) {
    this.server = server;
    this.cluster = cluster;
    this.one = new OneOfTwo(cluster, 'node-0', cluster.apiPort);
    this.other = new OneOfTwo(cluster, 'node-b', port);
    this.#beating = setInterval(() => {
      for (const node of this.#nodes) if (node.session !== undefined) node.beat();
    }, 300);
  }

  /** Returns the requester that watches, and the one that stands by. */
  async roles(): Promise<{ watcher: OneOfTwo; standby: OneOfTwo }> {
    const { watcher } = await this.one.status();
    return watcher === this.one.id
      ? { watcher: this.one, standby: this.other }
      : { watcher: this.other, standby: this.one };
  }

  /** Lets new nodes come in and register. Each asks until it is accepted. `#beating` then sends their heartbeats. */
  async join(ids: readonly string[]): Promise<SimulatedNode[]> {
    const reading = readJoinCode(await this.cluster.joinCode());
    assert.ok(reading.kind === 'valid');
    const { token } = reading.code;
    const nodes = ids.map(id => new SimulatedNode(id, { servers: this.server.url, joinToken: token }));
    this.#nodes.push(...nodes);
    await Promise.all(
      nodes.map(async node => {
        await node.connection.connected();
        await eventually(`${node.id} is accepted`, async () =>
          /^(registered|reconnected)$/.test((await node.ask('RegisterNode/v1')) ?? ''),
        );
      }),
    );
    return nodes;
  }

  async release(): Promise<void> {
    clearInterval(this.#beating);
    await Promise.all(this.#nodes.map(node => node.close()));
    await this.cluster.release();
    await this.server.release();
  }
}
