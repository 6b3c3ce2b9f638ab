// The waiting list holds the PENDING nodes in the order in which they give way to newcomers when it is full.
import type { NodeState } from '../../protocol/node-state.ts';
import { type Linked, LinkedQueue } from '../../system/linked-queue.ts';

export interface WaitingListOptions {
  /** Returns the time in which this requester could hear nodes, in milliseconds. */
  listeningMs(): number;
  /** Silence after which a node that was heard may give way, in milliseconds. */
  silentAfterMs: number;
  /** Returns whether a node has a key of its own. It is asked at each sign of life. */
  hasKey(id: string): boolean;
}

interface Waiting extends Linked<Waiting> {
  readonly id: string;
  /** Listening time at the last sign of life; undefined when there was none since the node registered. */
  heardAt: number | undefined;
}

/** Nodes that wait, in two queues: those that were never heard since they registered, and those that were. */
interface Queues {
  readonly unheard: LinkedQueue<Waiting>;
  readonly heard: LinkedQueue<Waiting>;
}

const newQueues = (): Queues => ({ unheard: new LinkedQueue(), heard: new LinkedQueue() });

/**
 * First the node gives way that registered longest ago and was never heard again. Then the one that is silent longest, if
 * it is silent for long enough. Whoever has the token of nodes without a key may invent any number of them, and keep them
 * alive. So a node with a key never gives way to one without, and one without gives way to it also while it is alive. All
 * methods take the same time however many nodes wait.
 */
export class WaitingList {
  readonly #options: WaitingListOptions;
  readonly #nodes = new Map<string, Waiting>();
  readonly #withKey = newQueues();
  readonly #withoutKey = newQueues();

  constructor(options: WaitingListOptions) {
    this.#options = options;
  }

  /** Adds a PENDING node that the store held at the start. `wasHeard` says whether it was ever heard. */
  add(id: string, wasHeard: boolean): void {
    this.#append({ id, heardAt: wasHeard ? this.#options.listeningMs() : undefined, ...unlinked });
  }

  /** Follows a node's record. A node that registers again is alive. */
  onRecord(id: string, state: NodeState, before: NodeState | undefined): void {
    if (state.Membership !== 'PENDING' || state.Info.NodeType !== 'Compute') this.onRemoved(id);
    else if (!this.#nodes.has(id)) this.#append({ id, heardAt: undefined, ...unlinked });
    else if (state.Muster?.RegisteredAt !== before?.Muster?.RegisteredAt) this.markHeard(id);
  }

  onRemoved(id: string): void {
    const node = this.#nodes.get(id);
    node?.queue?.remove(node);
    this.#nodes.delete(id);
  }

  /** Notes a sign of life of a node. Nodes that are not PENDING are ignored. */
  markHeard(id: string): void {
    const node = this.#nodes.get(id);
    if (!node) return;
    node.queue?.remove(node);
    node.heardAt = this.#options.listeningMs();
    this.#append(node);
  }

  /**
   * Takes the node that has to give way next out of the order; undefined when none has to. `toKey` says whether the newcomer
   * has a key. The caller removes the node from the roll, or puts it back.
   */
  take(toKey: boolean): string | undefined {
    const node =
      this.#gone(this.#withoutKey) ??
      (toKey ? (this.#withoutKey.heard.oldest ?? this.#gone(this.#withKey)) : undefined);
    node?.queue?.remove(node);
    return node?.id;
  }

  /** Returns whether a node that was taken still has to give way. A node that was heard since has not. */
  isTaken(id: string): boolean {
    const node = this.#nodes.get(id);
    return node !== undefined && node.queue === undefined;
  }

  /** Puts a node back that was taken, if it is still on the list. */
  putBack(id: string): void {
    const node = this.#nodes.get(id);
    if (node && !node.queue) this.#append(node);
  }

  // Returns the first node that was never heard, or that is silent for long enough.
  #gone({ unheard, heard }: Queues): Waiting | undefined {
    if (unheard.oldest) return unheard.oldest;
    const { oldest } = heard;
    const { listeningMs, silentAfterMs } = this.#options;
    return oldest?.heardAt !== undefined && listeningMs() - oldest.heardAt >= silentAfterMs
      ? oldest
      : undefined;
  }

  #append(node: Waiting): void {
    this.#nodes.set(node.id, node);
    const queues = this.#options.hasKey(node.id) ? this.#withKey : this.#withoutKey;
    (node.heardAt === undefined ? queues.unheard : queues.heard).append(node);
  }
}

const unlinked = { queue: undefined, older: undefined, newer: undefined };
