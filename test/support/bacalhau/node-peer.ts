// A compute node of Bacalhau, as the specification of its protocols says that each release behaves. Its pauses are shorter, so
// that a test sees in a second what takes minutes.
import { readFile } from 'node:fs/promises';
import { connect, type NatsConnection } from 'nats';
import { metadataOf, writeEnvelope } from './envelope.ts';
import { NewerNode } from './newer-node.ts';
import { nodeInfoOf, resourcesOf } from './node-facts.ts';
import { peerTimes } from './peer-times.ts';
import { facts, type NodeFacts, type Release } from './releases.ts';

export interface NodePeerOptions {
  id: string;
  release: Release;
  servers: string;
  /** The token of the broker. */
  token?: string | undefined;
  /** The file of the CA, where the broker uses TLS. */
  caFile?: string | undefined;
  /** What the data folder of the node keeps from one process to the next. */
  disk?: NodeDisk;
  labels?: Record<string, string>;
  /** Whether nobody hears its registration, so that it begins with the newer protocol. */
  isUnheard?: boolean;
}

/** What stays when the process ends: up to 1.5 a file that says that the node is registered. */
export interface NodeDisk {
  isRegistered: boolean;
}

export class NodePeer {
  readonly options: NodePeerOptions;
  readonly disk: NodeDisk;
  labels: Record<string, string>;
  /** What became of each request, in order: its kind, and what was answered. */
  readonly story: string[] = [];
  #connection: NatsConnection | undefined;
  #newer: NewerNode | undefined;
  readonly #facts: NodeFacts;
  readonly #timers: NodeJS.Timeout[] = [];
  #sequence = 0;

  /**
   * Starts the process. Resolves when it runs: a node from 1.6 on does so also when nobody lets it in. @throws Error with which
   * an older one ends
   */
  static async start(options: NodePeerOptions): Promise<NodePeer> {
    const peer = new NodePeer(options);
    await peer.#begin();
    return peer;
  }

  private constructor(options: NodePeerOptions) {
    this.options = options;
    this.#facts = facts[options.release].node;
    this.disk = options.disk ?? { isRegistered: false };
    this.labels = options.labels ?? {};
  }

  get id(): string {
    return this.options.id;
  }

  /** The protocol in which it speaks. */
  get protocol(): 'older' | 'newer' {
    return this.#newer ? 'newer' : 'older';
  }

  info(): Record<string, unknown> {
    return nodeInfoOf({ id: this.id, release: this.options.release, labels: this.labels });
  }

  /** Connects once. @throws Error when there is no broker, or when it does not let the node in */
  async connect(): Promise<NatsConnection> {
    const { id: name, servers, token, caFile } = this.options;
    const ca = caFile === undefined ? undefined : await readFile(caFile, 'utf8');
    return connect({
      name,
      servers,
      maxReconnectAttempts: -1,
      ...(token === undefined ? {} : { token }),
      ...(ca === undefined ? {} : { tls: { ca } }),
    });
  }

  /** Ends the process by a signal: one that speaks the newer protocol says so first. */
  async stop(): Promise<void> {
    await this.#newer?.stop();
    await this.kill();
  }

  /** Ends the process without a word. */
  async kill(): Promise<void> {
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    await this.#newer?.kill();
    await this.#connection?.close();
    this.#connection = undefined;
  }

  /** Sends what a job did by the newer protocol, and returns the answer. */
  sendResult(): Promise<string> {
    if (!this.#newer) throw new Error('a node that speaks the older protocol sends no results so');
    return this.#newer.sendResult();
  }

  async #begin(): Promise<void> {
    const { isUnheard } = this.options;
    try {
      if (isUnheard) throw new Error('no answer to the registration');
      this.#connection = await this.connect();
      // What an orchestrator asks a node is heard, and not answered.
      this.#connection.subscribe(`node.compute.${this.id}.>`, { callback: () => undefined });
      if (!this.disk.isRegistered) await this.#register();
    } catch (error) {
      await this.#connection?.close();
      this.#connection = undefined;
      if (!this.#facts.speaksNewer) throw error;
      this.#newer = new NewerNode(this);
      return;
    }
    this.disk.isRegistered = this.#facts.registersOnce;
    this.#report();
  }

  async #register(): Promise<void> {
    const answer = await this.#ask('RegisterNode/v1', { Info: this.info() });
    const { Accepted, Reason } = (answer.value ?? {}) as { Accepted?: boolean; Reason?: string };
    if (answer.error || Accepted !== true)
      throw new Error(`registration rejected: ${answer.error ?? Reason}`);
  }

  #report(): void {
    const resourcesMs = this.#facts.registersOnce ? peerTimes.olderResourcesMs : peerTimes.heartbeatMs;
    this.#beat();
    this.#every(peerTimes.heartbeatMs, async () => this.#beat());
    this.#every(resourcesMs, () => this.#ask('UpdateResources/v1', resourcesOf(this.id)));
    this.#every(peerTimes.infoMs, () => this.#ask('UpdateNodeInfo/v1', { Info: this.info() }));
  }

  #every(ms: number, work: () => Promise<unknown>): void {
    // What fails is noted in the story.
    this.#timers.push(setInterval(() => void work().catch(() => undefined), ms));
  }

  #beat(): void {
    const { release } = this.options;
    const payload = { NodeID: this.id, Sequence: ++this.#sequence };
    for (const form of this.#facts.heartbeats) {
      if (form === 'plain') this.#connection?.publish('heartbeat', JSON.stringify(payload));
      else {
        const message = { metadata: metadataOf('heartbeat', this.id, release), payload };
        this.#connection?.publish(`bacalhau.global.compute.${this.id}.out.heartbeat`, writeEnvelope(message));
      }
    }
  }

  // A text in `error` is a failure, whatever else the answer holds.
  async #ask(method: string, body: object): Promise<{ error?: string; value?: unknown }> {
    const subject = `node.management.${this.id}.${method}`;
    const kind = method.slice(0, method.indexOf('/'));
    if (!this.#connection) throw new Error('not connected');
    try {
      const options = { timeout: peerTimes.olderAnswerMs };
      const text = (await this.#connection.request(subject, JSON.stringify(body), options)).string();
      this.story.push(`${kind} ${text}`);
      return JSON.parse(text);
    } catch (error) {
      this.story.push(`${kind} failed: ${(error as Error).message}`);
      throw error;
    }
  }
}
