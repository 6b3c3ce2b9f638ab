// Grants are the subjects that an approved node may use besides its own. They follow the roll: when a decision changes them,
// the node's connection is ended, because its permissions are fixed, and the agent connects again at once.
import { hash } from 'node:crypto';
import type { NodeState } from '../../protocol/node-state.ts';
import type { SubjectTemplates } from '../../protocol/subject-template.ts';
import { inGroups } from '../../system/in-groups.ts';
import type { Log } from '../../system/log.ts';
import { BrokerError, type Connection } from '../../transport/port.ts';
import type { RollObserver } from '../roll/roll-observer.ts';
import type { KeyUse } from './live-connection.ts';
import type { LiveConnections } from './live-connections.ts';
import type { Pins } from './pins.ts';

/** What a node may do besides what every node may, and the mark by which its connection shows that. */
export interface Grant extends SubjectTemplates {
  /** Empty when nothing is granted. */
  mark: string;
}

const noGrant: Grant = { publish: [], subscribe: [], mark: '' };

/** Number of connections that are ended at the same time, when the setting has changed. */
const atOnce = 16;
/** Time that the broker has to take what was sent before, in milliseconds. */
const flushTimeoutMs = 5_000;

export interface GrantsOptions {
  /** The settings `broker.approved.publish` and `broker.approved.subscribe`. */
  approved: SubjectTemplates;
  connection: Pick<Connection, 'flush'>;
  live: Pick<LiveConnections, 'of' | 'end' | 'entries' | 'known' | 'onListed'>;
  pins: Pick<Pins, 'of' | 'nodeOf'>;
  log: Log;
}

export class Grants implements RollObserver {
  readonly #options: GrantsOptions;
  readonly #ofApproved: Grant;
  readonly #began = Promise.withResolvers<void>();
  #roll: { get(id: string): NodeState | undefined } | undefined;
  /** Ends when the connections that the broker had at the start were compared with the roll. */
  #starting: Promise<void> | undefined;
  /** The nodes whose connections are being ended. */
  readonly #pending = new Map<string, Promise<void>>();

  constructor(options: GrantsOptions) {
    this.#options = options;
    this.#ofApproved = { ...options.approved, mark: markOf(options.approved) };
    this.#starting = this.#began.promise.then(() => {
      this.#starting = undefined;
    });
  }

  /** Compares the connections that the broker has with the roll, now and each time when they are read again. */
  start(roll: { get(id: string): NodeState | undefined }): void {
    const { live } = this.#options;
    this.#roll = roll;
    let compared = Promise.resolve();
    live.onListed = () => {
      compared = this.#compareAll();
    };
    void live
      .known()
      .then(() => compared)
      .then(this.#began.resolve);
  }

  /** Returns what the node may do now besides what every node may. */
  of(id: string): Grant {
    return this.#roll?.get(id)?.Membership === 'APPROVED' ? this.#ofApproved : noGrant;
  }

  onRecord(id: string, { Membership }: NodeState, before: NodeState | undefined): void {
    if (Membership !== before?.Membership) void this.#compare(id);
  }

  onRemoved(): void {}

  /** Returns a promise while the connection of a node has permissions that it lost or does not have yet. It never rejects. */
  untilFollowed(id: string): Promise<void> | undefined {
    return this.#starting ?? this.#pending.get(id);
  }

  async #compareAll(): Promise<void> {
    const { live, pins } = this.#options;
    const others: string[] = [];
    const nodes: string[] = [];
    for (const [key, { node }] of live.entries()) {
      if (pins.nodeOf(key) === node) nodes.push(node);
      else others.push(key);
    }
    // The requester may have ended between the change of a pin and the end of the connection.
    await inGroups(others, atOnce, key => live.end(key));
    await inGroups(nodes, atOnce, async id => this.#compare(id));
  }

  #compare(id: string): Promise<void> | undefined {
    if (this.#toEnd(id).length === 0) return this.#pending.get(id);
    const work = this.#end(id).finally(() => {
      if (this.#pending.get(id) === work) this.#pending.delete(id);
    });
    this.#pending.set(id, work);
    return work;
  }

  /** Returns the connections of the node that have another grant than they should have. */
  #toEnd(id: string): { key: string; use: KeyUse }[] {
    const { live, pins } = this.#options;
    const key = this.#roll && pins.of(id)?.key;
    if (key === undefined) return [];
    const { mark } = this.of(id);
    const present = [live.of(key), live.of(key, 'work')].filter(each => each !== undefined);
    return present.filter(each => each.mark !== mark).map(({ use }) => ({ key, use }));
  }

  async #end(id: string): Promise<void> {
    const { connection, live, log } = this.#options;
    // The answer to the node's own request, which may have changed its standing, reaches it first.
    await connection.flush(flushTimeoutMs).catch(ignoreLostBroker);
    for (const { key, use } of this.#toEnd(id)) {
      log.debug({ node: id, use }, 'the connection of a node is ended, because what it may do has changed');
      await live.end(key, [use]);
    }
  }
}

/** Returns a word that differs for other templates; an empty one for none. */
function markOf({ publish, subscribe }: SubjectTemplates): string {
  if (publish.length === 0 && subscribe.length === 0) return '';
  return hash('sha256', JSON.stringify([publish, subscribe]), 'base64url').slice(0, 16);
}

// Without the broker there is no connection to end. The connections are compared when it is back.
function ignoreLostBroker(error: unknown): void {
  if (!(error instanceof BrokerError)) throw error;
}
