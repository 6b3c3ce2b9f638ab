// Canaries are simulated nodes that fall silent one after the other and come back once they were called UNHEALTHY. So a
// verdict is due all the time, and it shows when none is given.
import { eventually } from '../../support/eventually.ts';
import { type Entrance, SimulatedNode } from '../../support/simulated-node.ts';

export const canaryPrefix = 'canary-';
const count = 20;
const heartbeatMs = 500;
/** Time between two canaries that fall silent, in milliseconds. */
const betweenMs = 1_500;

interface Canary {
  node: SimulatedNode;
  /** When it fell silent or came back, in monotonic milliseconds. */
  since: number;
  isSilent: boolean;
}

export class Canaries {
  readonly #canaries: readonly Canary[];
  readonly #timers: NodeJS.Timeout[] = [];
  /** A canary that was not called UNHEALTHY in this time comes back nevertheless, in milliseconds. */
  readonly #longestMs: number;

  /** Begins to connect. `entranceOf` says where each comes in. */
  constructor(entranceOf: (index: number) => Entrance, longestMs: number) {
    this.#longestMs = longestMs;
    this.#canaries = Array.from({ length: count }, (_, index) => ({
      node: new SimulatedNode(`${canaryPrefix}${String(index).padStart(2, '0')}`, entranceOf(index)),
      since: 0,
      isSilent: false,
    }));
  }

  /** Lets all register, and begins to fall silent in turn. */
  async start(): Promise<void> {
    await Promise.all(this.#canaries.map(({ node }) => registered(node)));
    this.#timers.push(
      setInterval(() => this.#beat(), heartbeatMs),
      setInterval(() => this.#silenceNext(), betweenMs),
    );
  }

  /** Called when a node was called `unhealthy`. */
  onUnhealthy(id: string): void {
    const canary = this.#canaries.find(({ node }) => node.id === id);
    if (canary?.isSilent) this.#set(canary, false);
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all(this.#canaries.map(({ node }) => node.close()));
  }

  #beat(): void {
    for (const canary of this.#canaries) {
      if (canary.isSilent && performance.now() - canary.since > this.#longestMs) this.#set(canary, false);
      if (!canary.isSilent) canary.node.beat();
    }
  }

  // The one that has been heard for the longest time is next.
  #silenceNext(): void {
    const [next] = this.#canaries.filter(({ isSilent }) => !isSilent).sort((a, b) => a.since - b.since);
    if (next) this.#set(next, true);
  }

  #set(canary: Canary, isSilent: boolean): void {
    canary.isSilent = isSilent;
    canary.since = performance.now();
  }
}

async function registered(node: SimulatedNode): Promise<void> {
  await node.connection.connected();
  await eventually(
    `${node.id} is accepted`,
    async () => /^(registered|reconnected)$/.test((await node.ask('RegisterNode/v1')) ?? ''),
    60_000,
  );
}
