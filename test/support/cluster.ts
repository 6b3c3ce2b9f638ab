// Runs a cluster of real processes on one machine: a requester, agents, and the requester's broker or the test's.
import { access, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeView } from '../../agent/requester/directory/node-view.ts';
import type { RequesterStatus } from '../../agent/requester/status/requester-status.ts';
import { readNodeId } from '../../agent/system/node-id.ts';
import { eventually } from './eventually.ts';
import { freePort } from './listener.ts';
import { type Finished, muster, Program, type RunOptions } from './program.ts';
import { readEvents } from './read-events.ts';
import { readShown } from './read-shown.ts';
import { settingsText, type Values } from './settings-text.ts';

/** Intervals that are short enough for a test to wait for each of them. */
const quick = {
  'compute.heartbeatFrequency': '200ms',
  'compute.resourceUpdateFrequency': '400ms',
  'compute.infoUpdateFrequency': '400ms',
  'requester.heartbeatFrequency': '100ms',
  'requester.nodeDisconnectedAfter': '1500ms',
  'requester.nodeUnknownAfter': '3s',
};

/** Times after which a busy machine's running node, or one that a test speaks for, is not yet taken for a silent one. */
export const patient = { 'requester.nodeDisconnectedAfter': '1m', 'requester.nodeUnknownAfter': '2m' };

export interface ClusterOptions {
  /** Settings of all processes, which override the short intervals. */
  settings?: Values;
  /** The addresses of the test's own NATS, with commas between them. Without it, the requester runs its own broker. */
  servers?: string;
  /** Whether that NATS asks the requester whom to let in. Then new agents get a join code, which also names the servers. */
  asks?: boolean;
}

export class Cluster {
  readonly folder: string;
  readonly apiPort: number;
  readonly brokerPort: number;
  readonly #options: ClusterOptions;
  readonly #programs = new Set<Program>();
  #code: string | undefined;
  readonly #written = new Map<string, Values>();

  static async create(options: ClusterOptions = {}): Promise<Cluster> {
    const folder = await mkdtemp(join(tmpdir(), 'muster-e2e-'));
    return new Cluster(folder, await freePort(), await freePort(), options);
  }

  private constructor(folder: string, apiPort: number, brokerPort: number, options: ClusterOptions) {
    this.folder = folder;
    this.apiPort = apiPort;
    this.brokerPort = brokerPort;
    this.#options = options;
  }

  get servers(): string {
    return this.#options.servers ?? `nats://127.0.0.1:${this.brokerPort}`;
  }

  /** Returns the data folder of one node's processes. */
  folderOf(id: string): string {
    return join(this.folder, id);
  }

  sentinelOf(id: string): string {
    return join(this.folderOf(id), 'agent', `${id}.registration.json`);
  }

  async sentinel(id: string): Promise<Record<string, unknown> | undefined> {
    const text = await readFile(this.sentinelOf(id), 'utf8').catch(() => undefined);
    return text === undefined ? undefined : JSON.parse(text);
  }

  /** Starts a requester, and waits until it is ready unless `wait` is false. */
  async requester(
    settings: Values = {},
    { wait = true, id = 'node-0', ...options }: RunOptions & { wait?: boolean; id?: string } = {},
  ): Promise<Program> {
    const servers: Values = this.#options.servers ? { 'nats.servers': this.#options.servers } : {};
    const ports = { 'api.port': this.apiPort, 'broker.port': this.brokerPort };
    const program = await this.#start('requester', id, { ...ports, ...servers, ...settings }, options);
    if (wait) await program.untilPrinted(/the requester is ready/);
    return program;
  }

  /** Starts an agent, and waits until it is registered unless `wait` is false. */
  async agent(
    id: string,
    settings: Values = {},
    { wait = true, ...options }: RunOptions & { wait?: boolean } = {},
  ): Promise<Program> {
    const code = await this.#codeFor(id, settings);
    const servers: Values = this.#options.asks ? {} : { 'nats.servers': this.servers };
    const program = await this.#start(
      'agent',
      id,
      { ...servers, ...settings },
      {
        ...options,
        env: { ...code, ...options.env },
      },
    );
    if (wait) await program.untilPrinted(/"msg":"(pending approval|approved|registered)"/);
    return program;
  }

  /** Starts an agent whose id stands on its disk and not in its settings, so that it takes another one. Waits as `agent`. */
  async agentOnDisk(
    id: string,
    settings: Values = {},
    options: RunOptions & { wait?: boolean } = {},
  ): Promise<Program> {
    const folder = join(this.folderOf(id), 'agent');
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if ((await this.idOnDisk(id)) === undefined) await writeFile(join(folder, 'node.yaml'), `id: ${id}\n`);
    return this.agent(id, { ...settings, 'node.id': undefined }, options);
  }

  /** Returns the id that the agent of a folder has on its disk. */
  idOnDisk(folder: string): Promise<string | undefined> {
    return readNodeId(join(this.folderOf(folder), 'agent'));
  }

  /** Starts an agent, and returns when its node is approved and HEALTHY. */
  async approvedAgent(id: string, settings: Values = {}): Promise<Program> {
    const program = await this.agent(id, settings);
    await this.decide(id, 'approve');
    await this.until(id, 'APPROVED HEALTHY');
    return program;
  }

  /** Returns the line of a join code for any number of nodes of this cluster. Its requester must run. */
  async joinCode(): Promise<string> {
    this.#code ??= await this.newJoinCode();
    return this.#code;
  }

  /** Returns the environment with a code for an agent that is new here; nothing while nobody can make one. */
  async #codeFor(id: string, settings: Values): Promise<Record<string, string>> {
    const isKnown = await access(join(this.folderOf(id), 'agent', 'cluster.json')).then(
      () => true,
      () => false,
    );
    const isOpen = this.#options.servers !== undefined && !this.#options.asks;
    if (isKnown || isOpen || 'join.codeFile' in settings) return {};
    const code = await this.joinCode().catch(() => undefined);
    return code === undefined ? {} : { MUSTER_JOIN_CODE: code };
  }

  /** Makes another join code, with as many uses as a code may have. The requester must run. */
  async newJoinCode(): Promise<string> {
    const answer = await fetch(`http://127.0.0.1:${this.apiPort}/api/v1/orchestrator/join-codes`, {
      method: 'POST',
      headers: {
        connection: 'close',
        'content-type': 'application/json',
        authorization: `Bearer ${await this.operatorToken()}`,
      },
      body: JSON.stringify({ Uses: 10_000, ExpiresInSeconds: 30 * 24 * 3_600 }),
    });
    if (!answer.ok) throw new Error(`no join code: ${await answer.text()}`);
    return ((await answer.json()) as { Code: string }).Code;
  }

  /** Returns the operator's token that a requester made for its own machine. */
  async operatorToken(id = 'node-0'): Promise<string> {
    return (await readFile(join(this.folderOf(id), 'requester', 'operator.token'), 'utf8')).trim();
  }

  /** Sends an operator's decision to the API, as the command does. `requester` is the one whose token is shown. */
  async decide(
    id: string,
    action: 'approve' | 'reject' | 'delete',
    { message = '', requester = 'node-0' } = {},
  ): Promise<void> {
    const answer = await fetch(`http://127.0.0.1:${this.apiPort}/api/v1/orchestrator/nodes/${id}`, {
      method: 'PUT',
      headers: {
        connection: 'close',
        'content-type': 'application/json',
        authorization: `Bearer ${await this.operatorToken(requester)}`,
      },
      body: JSON.stringify({ Action: action, Message: message, Actor: 'a test' }),
    });
    if (!answer.ok) throw new Error(`${action} ${id}: ${await answer.text()}`);
  }

  /** Runs an operator's command against this cluster's API. */
  command(...args: string[]): Promise<Finished> {
    return muster([...args, '--api-port', String(this.apiPort)]);
  }

  /** Runs an operator's command, and returns what it printed. @throws Error when it did not do its work */
  async output(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.command(...args);
    if (code !== 0) throw new Error(`muster ${args.join(' ')} ended with ${code}: ${stderr}`);
    return stdout;
  }

  async nodes(): Promise<NodeView[]> {
    const answer = await this.#get('/api/v1/orchestrator/nodes');
    const body = (await answer.json()) as { Nodes?: NodeView[] };
    return body.Nodes ?? [];
  }

  async node(id: string): Promise<NodeView | undefined> {
    return (await this.nodes()).find(node => node.Info.NodeID === id);
  }

  /** Returns membership and health, such as `PENDING HEALTHY`; undefined when the requester does not know the node. */
  async stateOf(id: string): Promise<string | undefined> {
    const node = await this.node(id);
    return node && `${node.Membership} ${node.Muster.Health}`;
  }

  /** Resolves once membership and health of a node are `state`. */
  async until(id: string, state: string | undefined): Promise<void> {
    let seen: string | undefined;
    await eventually(`${id} is ${state}`, async () => {
      seen = await this.stateOf(id).catch(error => `unreachable: ${error}`);
      return seen === state;
    }).catch(cause => {
      throw new Error(`${id} is ${seen} and not ${state}`, { cause });
    });
  }

  async status(): Promise<RequesterStatus> {
    const answer = await this.#get('/api/v1/orchestrator/status');
    return readShown(await answer.text());
  }

  /** Returns all stored events, the oldest first. */
  events(): Promise<{ id: string; type: string; subject: string; data: Record<string, unknown> }[]> {
    return readEvents(() => this.#get('/api/v1/orchestrator/events'));
  }

  /** Returns the kinds of one node's stored events, in order. */
  async kindsOf(id: string): Promise<string[]> {
    const events = await this.events();
    return events
      .filter(event => event.subject === id)
      .map(event => event.type.replace('org.muster.node.', ''));
  }

  /** Ends all processes and removes all folders, unless they are to be kept for a person who looks into a failure. */
  async release(keepFolders = false): Promise<void> {
    for (const program of this.#programs) program.signal('SIGCONT');
    const [requesters, agents] = Map.groupBy(this.#programs, program => program.args[0] === 'requester')
      .entries()
      .reduce<[Program[], Program[]]>(
        (sums, [isRequester, list]) => (isRequester ? [list, sums[1]] : [sums[0], list]),
        [[], []],
      );
    await Promise.all(agents.map(program => program.kill()));
    // A requester that is killed leaves its broker running for the next requester, so it has to stop cleanly.
    await Promise.all(requesters.map(program => program.stop()));
    if (!keepFolders) await rm(this.folder, { recursive: true, force: true });
  }

  // Each request has a new connection. An earlier connection could lead to a requester that was killed meanwhile.
  async #get(path: string): Promise<Response> {
    const isOpen = this.#options.settings?.['api.openReads'] !== false;
    const authorization = isOpen ? {} : { authorization: `Bearer ${await this.operatorToken()}` };
    return fetch(`http://127.0.0.1:${this.apiPort}${path}`, {
      headers: { connection: 'close', ...authorization },
    });
  }

  /** Writes a new configuration for one role, for a reload. */
  async rewrite(role: string, id: string, settings: Values): Promise<void> {
    await this.#configure(role, id, { ...this.#written.get(`${role} ${id}`), ...settings });
  }

  async #configure(role: string, id: string, settings: Values): Promise<string> {
    this.#written.set(`${role} ${id}`, settings);
    const all = { 'node.id': id, dataDir: this.folderOf(id), 'log.format': 'json', ...quick };
    const file = join(this.folder, `${id}-${role}.yaml`);
    await writeFile(file, settingsText({ ...all, ...this.#options.settings, ...settings }));
    return file;
  }

  async #start(role: string, id: string, settings: Values, options: RunOptions = {}): Promise<Program> {
    const program = new Program([role, '--config', await this.#configure(role, id, settings)], options);
    this.#programs.add(program);
    void program.finished.then(() => this.#programs.delete(program));
    return program;
  }
}
