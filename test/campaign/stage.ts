// The stage is the cluster under attack: a requester with its own broker, and agents. Each process writes its log into a
// file, which is still there after a failure.
import { cp, mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { loadBrokerAccess } from '../../agent/broker/broker-access.ts';
import { readJoinCode } from '../../agent/protocol/join-code.ts';
import type { Connection } from '../../agent/transport/port.ts';
import { Cluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { startConnection } from '../support/open-connection.ts';
import { isRunning } from '../support/processes.ts';
import type { Program } from '../support/program.ts';
import type { Entrance } from '../support/simulated-node.ts';
import { mountStoreDisk, type SmallDisk } from '../support/small-disk.ts';
import { ProcessLog } from './process-log.ts';

export const requesterId = 'node-0';
/** Largest number of nodes that may wait for approval. It is small, so that a flood reaches it soon. */
export const maxPending = 200;

export class Stage {
  readonly cluster: Cluster;
  /** The disk of the requester and its broker; undefined where none may be mounted. */
  readonly disk: SmallDisk | undefined;
  readonly agentIds: readonly string[];
  readonly logs = new Map<string, ProcessLog>();
  readonly #agents = new Map<string, Program>();
  #requester: Program | undefined;

  /** Makes the folders, and starts nothing. */
  static async create(agents: number): Promise<Stage> {
    const cluster = await Cluster.create({ settings: { 'requester.maxPending': maxPending } });
    const folder = cluster.folderOf(requesterId);
    await mkdir(folder);
    await mkdir(join(cluster.folder, 'logs'));
    return new Stage(cluster, await mountStoreDisk(folder), agents);
  }

  private constructor(cluster: Cluster, disk: SmallDisk | undefined, agents: number) {
    this.cluster = cluster;
    this.disk = disk;
    this.agentIds = Array.from({ length: agents }, (_, index) => `agent-${index}`);
  }

  get requester(): Program {
    if (!this.#requester) throw new Error('the requester was not started');
    return this.#requester;
  }

  agent(id: string): Program {
    const agent = this.#agents.get(id);
    if (!agent) throw new Error(`the agent ${id} was not started`);
    return agent;
  }

  /** Returns the processes that run now, with the name of each. */
  get programs(): [string, Program][] {
    return [[requesterId, this.requester], ...this.#agents];
  }

  /** The folder of the broker, with its process id and its store. */
  get brokerFolder(): string {
    return join(this.cluster.folderOf(requesterId), 'broker');
  }

  /** Starts the requester, and waits until it has read the store. It is not ready while it knows that records are lost. */
  async startRequester(): Promise<void> {
    this.#requester = await this.cluster.requester({}, { wait: false, ...this.#options(requesterId) });
    await this.#until(['ready', 'degraded']);
  }

  /** Resolves once the requester is ready and has announced every event. */
  async untilReady(): Promise<void> {
    await this.#until(['ready']);
  }

  async #until(states: readonly string[]): Promise<void> {
    let last = 'no answer';
    await eventually(
      'the requester is ready',
      async () => {
        if (!this.requester.running) throw new Error('the requester has ended by itself');
        const status = await this.cluster.status().catch(() => undefined);
        last = status
          ? `${status.state} (${status.reason}), ${status.eventsWaiting} events wait`
          : 'no answer';
        return status !== undefined && states.includes(status.state) && status.eventsWaiting === 0;
      },
      90_000,
    ).catch(cause => {
      throw new Error(`the requester does not become ready: ${last}`, { cause });
    });
  }

  async startAgent(id: string): Promise<void> {
    this.#agents.set(id, await this.cluster.agent(id, {}, { wait: false, ...this.#options(id) }));
  }

  /** Resolves once all agents are on the roll, so that nobody else can take their ids. */
  async untilLetIn(): Promise<void> {
    await eventually(
      'all agents are on the roll',
      async () => {
        const nodes = await this.cluster.nodes();
        return this.agentIds.every(id => nodes.some(node => node.Info.NodeID === id));
      },
      90_000,
    );
  }

  /** Returns the process id of the broker; undefined while it has none that runs. */
  async brokerPid(): Promise<number | undefined> {
    const text = await readFile(join(this.brokerFolder, 'nats-server.pid'), 'utf8').catch(() => '');
    const pid = Number(text);
    return pid > 1 && (await isRunning(pid)) ? pid : undefined;
  }

  /** Resolves with the process id of the broker once it runs. */
  async untilBroker(other?: number): Promise<number> {
    let pid: number | undefined;
    await eventually(
      'the broker runs',
      async () => {
        pid = await this.brokerPid();
        return pid !== undefined && pid !== other;
      },
      90_000,
    );
    return pid ?? 0;
  }

  /** Connects with the requester's own key, as somebody who may read its files. The caller closes the connection. */
  async connectInsider(): Promise<Connection> {
    const { requester } = await loadBrokerAccess(join(this.cluster.folderOf(requesterId), 'requester'));
    const connection = startConnection(this.cluster.servers, {
      name: 'insider',
      credentials: () => ({ key: requester }),
    });
    await connection.connected();
    return connection;
  }

  /** Returns how simulated nodes come in: by a code of their own, so that no flood uses it up. The requester must run. */
  async newEntrance(): Promise<Entrance> {
    const reading = readJoinCode(await this.cluster.newJoinCode());
    if (reading.kind !== 'valid') throw new Error(`the join code of the requester is ${reading.kind}`);
    return { servers: this.cluster.servers, joinToken: reading.code.token };
  }

  /** Ends all processes and removes the folder. If `keep` is true, it stays, with the logs and the files of the store. */
  async release(keep: boolean): Promise<void> {
    await this.disk?.makeRoom().catch(() => undefined);
    const pid = await this.brokerPid();
    if (pid) process.kill(pid, 'SIGCONT');
    await this.cluster.release(true);
    const { folder } = this.cluster;
    if (keep) await cp(this.cluster.folderOf(requesterId), join(folder, 'store'), { recursive: true });
    await this.disk?.release();
    if (!keep) await rm(folder, { recursive: true });
  }

  #options(name: string): { stderr: number; env: Record<string, string> } {
    const { folder } = this.cluster;
    const log = this.logs.get(name) ?? new ProcessLog(name, join(folder, 'logs', `${name}.log`));
    this.logs.set(name, log);
    return {
      stderr: log.descriptor,
      env: { NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(folder, 'code') },
    };
  }
}
