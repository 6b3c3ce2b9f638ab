// The requester role: its life from the first wait for the broker to the last event, and what operators see and do.
import type { NodeInfo } from '../protocol/node-info.ts';
import type { NodeState } from '../protocol/node-state.ts';
import { eventWildcard } from '../protocol/subjects.ts';
import type { Clock } from '../system/clock.ts';
import { MusterError } from '../system/errors.ts';
import type { Log } from '../system/log.ts';
import type { Random } from '../system/random.ts';
import { version } from '../system/version.ts';
import { BrokerError, type Connection } from '../transport/port.ts';
import type { Directory, RequesterStatus } from './directory/directory.ts';
import { type NodeView, nodeView } from './directory/node-view.ts';
import type { Holder } from './lease.ts';
import { type Acting, type ActingSettings, act } from './parts.ts';
import { persevere } from './retry.ts';
import type { Decision } from './roll/membership.ts';
import type { RollOptions } from './roll/roll.ts';
import { type Counters, newCounters } from './status/counters.ts';

export interface RequesterSettings extends ActingSettings {
  manualApproval: boolean;
  maxPending: number;
}

export interface RequesterOptions {
  self: NodeInfo;
  settings: RequesterSettings;
  connection: Connection;
  clock: Clock;
  random: Random;
  log: Log;
  host: string;
  pid: number;
  /** Another requester took over: this one has stopped answering and the process should end. */
  onLost(error: MusterError): void;
  /** Something that `status` tells has changed. */
  changed?(): void;
}

/** Milliseconds that a stop waits for events to be acknowledged. */
const lastEvents = 2_000;

export class Requester implements Directory {
  readonly self: NodeInfo;
  readonly #options: RequesterOptions;
  readonly #instance: string;
  readonly #counters: Counters = newCounters();
  readonly #policy: RollOptions;
  readonly #stopping = new AbortController();
  #acting: Acting | undefined;
  #waitingFor = 'the broker';

  constructor(options: RequesterOptions) {
    const { self, clock, random, log, settings } = options;
    this.self = self;
    this.#options = options;
    this.#instance = random.uuid();
    const { manualApproval, maxPending } = settings;
    this.#policy = { clock, random, log, manualApproval, maxPending };
  }

  /**
   * Waits for the broker for as long as it takes, reads the store, then answers nodes.
   * @throws MusterError `in_use` when another requester keeps the roll; `bad_state`, `conflict` for a store that is not ours.
   */
  async start(): Promise<void> {
    const { clock, host, pid } = this.#options;
    const { signal } = this.#stopping;
    const work = async () => {
      const since = clock.now().toISOString();
      const acting = await act({
        ...this.#options,
        policy: this.#policy,
        counters: this.#counters,
        me: { requester: this.self.NodeID, instance: this.#instance, host, pid, since },
        signal,
        waitsFor: what => {
          this.#waitingFor = what;
        },
        lost: holder => this.#lost(holder),
      });
      // A stop, or the loss of the lease, may have come between its beginning and this moment.
      if (signal.aborted) await acting.stop(0);
      else this.#acting = acting;
    };
    const failed = 'the store cannot be opened yet; trying again';
    const failure = (error: BrokerError) => {
      this.#waitingFor = `the broker's store: ${error.message}`;
    };
    await persevere(work, { ...this.#options, signal, failed, failure });
  }

  /** Stops answering, sends the events that wait (at most 2 s), gives the lease back. The connection stays the caller's. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#acting?.stop(this.#options.connection.state.kind === 'connected' ? lastEvents : 0);
  }

  /** Takes up what may change while nodes are watched; the rest waits for a restart. */
  reload({ manualApproval, maxPending }: Pick<RequesterSettings, 'manualApproval' | 'maxPending'>): void {
    Object.assign(this.#policy, { manualApproval, maxPending });
  }

  /** What should go on and does not; undefined while all is on schedule. */
  get stalled(): string | undefined {
    return this.#acting?.vigil.stalled ? 'the watch over the nodes' : undefined;
  }

  status(): RequesterStatus {
    const acting = this.#acting;
    const state = this.#options.connection.state;
    const stopping = this.#stopping.signal.aborted;
    const distrusted = acting?.vigil.distrusted;
    return {
      role: 'requester',
      node: this.self.NodeID,
      version,
      pid: this.#options.pid,
      state: stopping ? 'stopping' : !acting ? 'starting' : distrusted ? 'degraded' : 'ready',
      reason: acting ? distrusted : `waiting for ${this.#waitingFor}`,
      broker: state.kind === 'connected' ? `connected to ${state.server}` : reasonOfState(state),
      clusterId: acting?.clusterId,
      nodes: acting && {
        total: acting.roll.size,
        pending: acting.roll.pending,
        unreadable: acting.roll.unreadable,
      },
      eventsWaiting: acting?.events.waiting,
      counters: { ...this.#counters },
    };
  }

  list(): NodeView[] {
    const acting = this.#ready();
    const views = [...acting.roll.list()].map(state => this.#view(acting, state));
    return views.sort((a, b) => (a.Info.NodeID < b.Info.NodeID ? -1 : 1));
  }

  get(name: string): NodeView {
    const acting = this.#ready();
    const id = acting.roll.resolve(name);
    const state = acting.roll.get(id);
    if (!state) {
      throw new MusterError('bad_state', `the record of node ${id} cannot be read`, {
        hint: `delete it with: muster node delete ${id}`,
      });
    }
    return this.#view(acting, state);
  }

  async decide(name: string, decision: Decision): Promise<void> {
    const node = await this.#stored(this.#ready().roll.decide(name, decision));
    const { action, reason, actor } = decision;
    this.#options.log.info({ node, reason, actor }, `node ${action === 'approve' ? 'approved' : 'rejected'}`);
  }

  async remove(name: string, reason: string, actor: string): Promise<void> {
    const node = await this.#stored(this.#ready().roll.remove(name, reason, actor));
    this.#options.log.info({ node, reason, actor }, 'node deleted');
  }

  async follow(
    { node, since }: { node?: string | undefined; since?: Date | undefined },
    fn: (event: Uint8Array) => void | Promise<void>,
  ): Promise<{ ready: Promise<void>; stop(): void }> {
    const filter = eventWildcard(node);
    return this.#stored(this.#ready().stream.follow({ filter, since }, message => fn(message.data)));
  }

  #lost(holder: Holder): void {
    this.#stopping.abort();
    this.#acting?.silence();
    void this.#acting?.events.stop(0);
    this.#options.onLost(
      new MusterError(
        'in_use',
        `requester ${holder.requester} (process ${holder.pid} on ${holder.host}) took over this cluster's roll while this one did not answer`,
        { hint: 'run one requester on a store' },
      ),
    );
  }

  #view({ vigil, resources }: Acting, state: NodeState): NodeView {
    const id = state.Info.NodeID;
    return nodeView(state, vigil.health(id), vigil.silence(id), vigil.pulse(id), resources.get(id));
  }

  #ready(): Acting {
    if (this.#acting && !this.#stopping.signal.aborted) return this.#acting;
    throw new MusterError('unreachable', `the requester is not ready: it waits for ${this.#waitingFor}`, {
      hint: 'try again in a moment; its log says more',
    });
  }

  async #stored<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      this.#counters.storeFailures++;
      throw new MusterError('unreachable', `the node info store does not answer: ${error.message}`, {
        hint: 'whether the change stands shows in: muster node list',
        cause: error,
      });
    }
  }
}

function reasonOfState(state: Connection['state']): string {
  return state.kind === 'disconnected' ? state.reason : state.kind;
}
