// The agent traces remember which agent processes spoke under each node id, to notice when two of them speak in turn.
import type { ConflictingAgent } from '../../protocol/events.ts';
import type { NodeState } from '../../protocol/node-state.ts';
import type { Clock } from '../../system/clock.ts';

/** Longest time between two returns of an agent that count together, in milliseconds. */
const windowMs = 600_000;
/** Number of earlier agents of a node that are remembered. */
const maxEarlier = 3;

interface Trace {
  current: ConflictingAgent;
  /** The agents that spoke before, the latest first. */
  earlier: ConflictingAgent[];
  /** Number of times that an earlier agent spoke again. */
  returns: number;
  /** Time of the last return, in monotonic milliseconds. */
  returnedAt: number;
}

/**
 * An agent that is started again is a new one, with a new instance. So after a restart, or a move to another machine, no
 * earlier agent ever speaks again. Two returns mean that two agents live at the same time.
 */
export class AgentTraces {
  readonly #clock: Clock;
  /** The nodes for which another agent speaks than the one that registered. */
  readonly #traces = new Map<string, Trace>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Notes that an agent spoke for the node with this record. When it takes turns with another one, both are returned, with
   * what their earlier messages said. An agent that does not name its instance is ignored.
   */
  add(
    state: NodeState,
    { instance, host }: ConflictingAgent,
  ): [ConflictingAgent, ConflictingAgent] | undefined {
    const id = state.Info.NodeID;
    const trace = this.#traces.get(id);
    // Almost every message ends here, so nothing is made before.
    if (!instance || instance === (trace ? trace.current.instance : state.Muster?.Instance)) {
      if (trace && instance) trace.current.host ??= host;
      return undefined;
    }
    const current = trace?.current ?? registeredAgent(state);
    const known = trace?.earlier.find(each => each.instance === instance);
    const earlier = [current, ...(trace?.earlier ?? [])].filter(each => each.instance && each !== known);
    const now = this.#clock.monotonic();
    const next: Trace = {
      current: { instance, host: host ?? known?.host },
      earlier: earlier.slice(0, maxEarlier),
      returns: trace && now - trace.returnedAt < windowMs ? trace.returns : 0,
      returnedAt: trace?.returnedAt ?? Number.NEGATIVE_INFINITY,
    };
    this.#traces.set(id, next);
    if (!known) return undefined;
    next.returns++;
    next.returnedAt = now;
    const [other] = next.earlier;
    return next.returns >= 2 && other ? [next.current, other] : undefined;
  }

  delete(id: string): void {
    this.#traces.delete(id);
  }
}

const registeredAgent = ({ Info, Muster }: NodeState): ConflictingAgent => ({
  host: Info.Hostname,
  instance: Muster?.Instance,
});
