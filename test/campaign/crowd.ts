// The crowd is many simulated nodes. They register, send heartbeats and information, and register again when the requester
// does not know them, as agents do.

import { type Entrance, SimulatedNode } from '../support/simulated-node.ts';
import type { Model, Outcome } from './model.ts';

/** Time between two heartbeats of a node, in milliseconds. */
const heartbeatMs = 300;
/** Time between two requests of the whole crowd, in milliseconds. */
const requestMs = 25;
/**
 * Stands for the session of a node that got no answer to its registration. It registers again until it gets one, as an agent
 * does: its record may still come, and an answer to anything else would be about the time before.
 */
const unanswered = 'none';

/** Returns the ids of so many nodes. */
export const memberIds = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `member-${String(index).padStart(3, '0')}`);

export class Crowd {
  readonly #model: Model;
  readonly #nodes: ReadonlyMap<string, SimulatedNode>;
  readonly #busy = new Set<string>();
  readonly #timers: NodeJS.Timeout[] = [];
  /** The nodes whose last registration got no answer, or none from the store, so that the requester may know another session of them. */
  readonly #open = new Set<string>();
  /** The nodes that were told to register again, although their registration had been answered. */
  readonly unasked: string[] = [];
  /** The nodes that may have sent another session than the requester knows, since this was emptied. */
  readonly unsure = new Set<string>();
  #turn = 0;

  constructor(entranceOf: (index: number) => Entrance, model: Model, ids: readonly string[]) {
    this.#model = model;
    this.#nodes = new Map(ids.map((id, index) => [id, new SimulatedNode(id, entranceOf(index))]));
  }

  /** Lets all nodes register once they are let in, and begins to send. */
  async start(): Promise<void> {
    const nodes = [...this.#nodes.values()];
    await Promise.all(nodes.map(({ connection }) => connection.connected()));
    for (const id of this.#nodes.keys()) void this.bringBack(id);
    this.#timers.push(
      setInterval(() => this.#sendHeartbeats(), heartbeatMs),
      setInterval(() => void this.#askNext(nodes), requestMs),
    );
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all(this.#nodes.values().map(node => node.close()));
  }

  /** Returns whether a node sends heartbeats: it has registered and was not told that it was deleted. */
  isAlive(id: string): boolean {
    return this.#nodes.get(id)?.session !== undefined;
  }

  /** Lets a node register, as an operator does with `muster agent register`. */
  async bringBack(id: string): Promise<void> {
    const node = this.#nodes.get(id);
    if (node) await this.#inTurn(node, () => this.#register(node));
  }

  #sendHeartbeats(): void {
    for (const node of this.#nodes.values()) if (node.session !== undefined) node.beat();
  }

  // The nodes send their information one after the other. A node without a session is quiet.
  async #askNext(nodes: readonly SimulatedNode[]): Promise<void> {
    const node = nodes[this.#turn++ % nodes.length];
    if (node?.session === undefined) return;
    await this.#inTurn(node, async () => {
      if (node.session === unanswered) return await this.#register(node);
      const code = await node.ask('UpdateNodeInfo/v1');
      if (code === 'deleted') node.session = undefined;
      if (code !== 'handshake_required') return;
      if (!this.#open.has(node.id)) this.unasked.push(node.id);
      await this.#register(node);
    });
  }

  async #register(node: SimulatedNode): Promise<void> {
    const operation = this.#model.begin(node.id, 'register');
    this.unsure.add(node.id);
    const code = await node.ask('RegisterNode/v1');
    // What the store did not answer may stand all the same. Only one that was carried out overtakes an earlier one.
    if (code === undefined || code === 'unavailable') this.#open.add(node.id);
    else if (outcomeOf(code) === 'done') this.#open.delete(node.id);
    this.#model.end(operation, outcomeOf(code));
    // An operator deleted it before the answer. It is quiet until it is brought back.
    if (code === 'deleted') node.session = undefined;
    else node.session ??= unanswered;
  }

  // A node that still waits for an answer sends nothing else.
  async #inTurn({ id }: SimulatedNode, work: () => Promise<void>): Promise<void> {
    if (this.#busy.has(id)) return;
    this.#busy.add(id);
    await work().finally(() => this.#busy.delete(id));
  }
}

// A rejected node stays what it is, as the rule for a registration says.
function outcomeOf(code: string | undefined): Outcome {
  if (code === 'registered' || code === 'reconnected' || code === 'rejected') return 'done';
  return code === 'full' ? 'not sent' : 'unknown';
}
