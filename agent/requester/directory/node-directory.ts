// The node directory carries out the requests of operators with the parts of a running requester.
import type { LostNode, ShownBan } from '../../protocol/http.ts';
import { fingerprint } from '../../protocol/nkey.ts';
import type { NodeInfo } from '../../protocol/node-info.ts';
import type { NodeState } from '../../protocol/node-state.ts';
import { eventWildcard } from '../../protocol/subjects.ts';
import type { Clock } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import type { Log } from '../../system/log.ts';
import { BrokerError, type EventStream, isRefusal } from '../../transport/port.ts';
import type { AuthorityRotation } from '../authorities/authority-rotation.ts';
import { type BacalhauDesk, bacalhauDesk } from '../enrolment/bacalhau-desk.ts';
import { type BrokerAddresses, type JoinCodeDesk, joinCodeDesk } from '../enrolment/join-code-desk.ts';
import type { JoinCodes } from '../enrolment/join-codes.ts';
import type { KeyDecisions } from '../enrolment/key-decisions.ts';
import type { ConflictDetector } from '../events/conflict-detector.ts';
import type { Act } from '../events/requester-events.ts';
import type { HealthWatch } from '../health/health-watch.ts';
import type { StoreMark } from '../ledger/store-mark.ts';
import { type ListenerDesk, listenerDesk } from '../listeners/listener-desk.ts';
import type { Listeners } from '../listeners/listeners.ts';
import type { Operators } from '../operators/operators.ts';
import {
  approveNode,
  type Decision,
  type DecisionRule,
  deleteNode,
  notFound,
  rejectNode,
  rekeyNode,
  unusable,
} from '../roll/decisions.ts';
import { withPinnedKey } from '../roll/node-key.ts';
import { UnwrittenError } from '../roll/record-writer.ts';
import type { ResourceStore } from '../roll/resource-store.ts';
import type { Roll } from '../roll/roll.ts';
import type { StoredRecord } from '../roll/stored-record.ts';
import type { Counters } from '../status/counters.ts';
import type { RequesterStatus } from '../status/requester-status.ts';
import { roomHint, storeFault } from '../status/store-fault.ts';
import { throwIfTakenOver } from '../status/took-over.ts';
import type { Directory } from './directory.ts';
import { type NodeView, nodeView } from './node-view.ts';

/** The parts of a running requester that the directory reads and changes. */
export interface DirectoryParts {
  clusterId: string;
  /** Undefined when the cluster uses a NATS that does not ask this requester whom to let in. */
  joinCodes: JoinCodes | undefined;
  /** Undefined as `joinCodes`. */
  listeners: Listeners | undefined;
  roll: Roll;
  health: HealthWatch;
  resources: ResourceStore;
  conflicts: Pick<ConflictDetector, 'latest'>;
  /** What operators decide about keys; undefined when the broker does not ask who may connect. */
  keys: KeyDecisions | undefined;
  stream: EventStream;
  operators: Operators;
}

export interface NodeDirectoryOptions {
  self: NodeInfo;
  clock: Clock;
  log: Log;
  counters: Counters;
  /** The folder of the requester's own broker; undefined when the broker is another one. */
  brokerFolder?: string | undefined;
  /** See JoinCodeDeskOptions. */
  brokerAddresses(): BrokerAddresses | undefined | Promise<BrokerAddresses | undefined>;
  /** The token of nodes without a key; undefined when none are let in. */
  unverifiedToken: string | undefined;
  /** Path of the file with the operator's token of this machine; undefined when there is none. */
  tokenFile: string | undefined;
  /** The CAs that nodes should trust; undefined when the requester has none of its own. */
  authorities?: AuthorityRotation | undefined;
  /** Remembers how far the store was; undefined when nothing does. */
  storeMark?: StoreMark | undefined;
  /** Returns the parts; throws MusterError `unreachable` while the requester is not ready. */
  parts(): DirectoryParts;
  status(): RequesterStatus;
}

export class NodeDirectory implements Directory {
  readonly joinCodes: JoinCodeDesk;
  readonly listeners: ListenerDesk;
  readonly bacalhau: BacalhauDesk;
  readonly #options: NodeDirectoryOptions;

  constructor(options: NodeDirectoryOptions) {
    this.#options = options;
    const { parts, brokerAddresses, unverifiedToken: token, log } = options;
    this.joinCodes = joinCodeDesk({ parts, addresses: brokerAddresses });
    this.listeners = listenerDesk({ listeners: () => parts().listeners, addresses: brokerAddresses });
    this.bacalhau = bacalhauDesk({ log, token, addresses: brokerAddresses });
  }

  get self(): NodeInfo {
    return this.#options.self;
  }

  get tokenFile(): string | undefined {
    return this.#options.tokenFile;
  }

  get operators(): Operators {
    return this.#options.parts().operators;
  }

  status(): RequesterStatus {
    return this.#options.status();
  }

  list(): NodeView[] {
    const parts = this.#options.parts();
    const views = [...parts.roll.records.list()].map(state => viewOf(parts, state));
    return views.sort((a, b) => (a.Info.NodeID < b.Info.NodeID ? -1 : 1));
  }

  get(name: string): NodeView {
    const parts = this.#options.parts();
    const id = parts.roll.records.resolve(name);
    const state = parts.roll.records.get(id);
    if (!state) throw unusable(parts.roll.records.stored(id), id);
    return viewOf(parts, state);
  }

  approve(name: string, decision: Decision): Promise<void> {
    return this.#decide(name, decision, approveNode, 'node approved');
  }

  reject(name: string, decision: Decision): Promise<void> {
    return this.#decide(name, decision, rejectNode, 'node rejected');
  }

  async delete(name: string, decision: Decision & { isBan?: boolean }): Promise<void> {
    if (decision.isBan) await this.#ban(name, decision);
    await this.#decide(name, decision, deleteNode, 'node deleted');
  }

  async rekey(name: string, decision: Decision): Promise<void> {
    const id = this.#resolve(name, decision);
    const key = this.#keys().refusedKey(id, decision.fingerprint ?? '');
    await this.#decide(name, decision, rekeyNode(key), 'node got another key');
  }

  bans(): ShownBan[] {
    return this.#options.parts().keys?.list() ?? [];
  }

  async unban(wanted: string, act: Act): Promise<void> {
    await this.#keys()
      .unban(wanted, act)
      .catch(error => this.#throwUndecided(error, wanted));
  }

  lostNodes(): LostNode[] {
    const { lost } = this.#options.parts().roll;
    return [...lost]
      .map(([NodeID, { membership, at, actor, reason }]) => ({
        NodeID,
        Membership: membership,
        At: at,
        Actor: actor,
        Reason: reason,
      }))
      .sort((a, b) => (a.NodeID < b.NodeID ? -1 : 1));
  }

  async rebuild(id: string, act: Act): Promise<void> {
    const { roll } = this.#options.parts();
    await roll.rebuild(id).catch(error => this.#throwUndecided(error, id));
    this.#options.log.info({ node: id, ...act }, 'the lost record of this node was written again');
  }

  get authorities(): AuthorityRotation {
    const { authorities, parts } = this.#options;
    parts();
    if (authorities) return authorities;
    throw new MusterError('conflict', 'this requester has no CA of its own that it could replace', {
      hint: 'it makes one where broker.host or api.host is beyond the loopback, and no certificate of yours is set',
    });
  }

  async confirmStore(act: Act): Promise<void> {
    const { storeMark, parts, log } = this.#options;
    parts();
    if (!(await storeMark?.confirm())) {
      throw new MusterError('conflict', 'there is nothing to confirm: the store is not older than it was');
    }
    log.warn({ ...act }, 'an operator confirmed that the older store is the right one');
  }

  async follow(
    { node, since }: { node?: string | undefined; since?: Date | undefined },
    onEvent: (event: Uint8Array) => void | Promise<void>,
  ): Promise<{ ready: Promise<void>; stop(): void }> {
    const parts = this.#options.parts();
    try {
      const filter = eventWildcard(node === undefined ? undefined : await resolveEventsNode(parts, node));
      return await parts.stream.follow({ filter, since }, message => onEvent(message.data));
    } catch (error) {
      return this.#throwUnread(error);
    }
  }

  async #decide(name: string, decision: Decision, rule: DecisionRule, text: string): Promise<void> {
    const { roll, keys } = this.#options.parts();
    const keyBefore = keys?.keyOf(name);
    const ruleWithKey: DecisionRule = (stored, ...rest) => rule(this.#withKey(stored), ...rest);
    const node = await roll
      .decide(name, decision, ruleWithKey)
      .catch(error => this.#throwUndecided(error, name));
    // The operator's command ends when the decision is in force: the connection of a deleted node is ended then.
    await keys?.untilFollowed(node);
    const key = keys?.keyOf(node) ?? keyBefore;
    const { reason, actor, claimedActor } = decision;
    const fields = { node, fingerprint: key ? fingerprint(key) : 'unverified', reason, actor, claimedActor };
    this.#options.log.info(fields, text);
  }

  // The key is banned before its node is deleted, so that a crash in between leaves no stolen node that comes back. A
  // decision that is refused bans nobody.
  async #ban(name: string, decision: Decision): Promise<void> {
    const { roll } = this.#options.parts();
    const id = this.#resolve(name, decision);
    const at = this.#options.clock.now().toISOString();
    deleteNode(this.#withKey(roll.records.stored(id)), name, decision, at);
    await this.#keys()
      .ban(id, decision, at)
      .catch(error => this.#throwUndecided(error, id));
  }

  #withKey(stored: StoredRecord): StoredRecord {
    const { keys } = this.#options.parts();
    return stored.kind === 'record' ? withPinnedKey(stored, keys?.keyOf(stored.state.Info.NodeID)) : stored;
  }

  #resolve(name: string, { isExact }: Decision): string {
    const { records } = this.#options.parts().roll;
    return isExact ? records.resolveExact(name) : records.resolve(name);
  }

  #keys(): KeyDecisions {
    const { keys } = this.#options.parts();
    if (keys) return keys;
    throw new MusterError(
      'conflict',
      'the NATS in nats.servers does not ask this requester whom to let in, so no key is checked',
      {
        hint: 'put what this prints into the configuration of each of its servers, and start them again: muster broker config',
      },
    );
  }

  /** Throws the error for a decision that the store did not carry out, or whose answer was lost. */
  #throwUndecided(error: unknown, name: string): never {
    throwIfTakenOver(error);
    if (!(error instanceof BrokerError)) throw error;
    this.#options.counters.storeFailures++;
    const fault = storeFault(error);
    // Only a store that answered, or that got no decision, is known not to have stored it.
    if (error instanceof UnwrittenError || error.fault === 'no_space' || isRefusal(error)) {
      const hint = this.#unstoredHint(error);
      const text = `the decision about node ${name} was not stored: ${fault} (${error.message})`;
      throw new MusterError('failed', text, { hint, cause: error });
    }
    const text = `the decision about node ${name} may stand or not: ${fault} (${error.message})`;
    const hint = `find out with: muster node describe ${name}`;
    throw new MusterError('unreachable', text, { hint, cause: error });
  }

  #unstoredHint(error: BrokerError): string {
    if (error.fault === 'no_space') return roomHint(this.#options.brokerFolder);
    return isRefusal(error)
      ? "the broker's log says more"
      : 'decide again in a moment; muster status says what is wrong';
  }

  #throwUnread(error: unknown): never {
    if (!(error instanceof BrokerError)) throw error;
    this.#options.counters.storeFailures++;
    const fault = isRefusal(error) ? 'refuses to be read' : 'does not answer';
    throw new MusterError('unreachable', `the event stream ${fault}: ${error.message}`, {
      hint: 'try again in a moment; the log of the requester says more',
      cause: error,
    });
  }
}

function viewOf({ health, resources, conflicts, keys }: DirectoryParts, state: NodeState): NodeView {
  const id = state.Info.NodeID;
  return nodeView(
    state,
    health.health(id),
    health.silenceMs(id),
    health.liveness(id),
    resources.get(id),
    conflicts.latest(id),
    keys?.keyOf(id),
  );
}

/**
 * Returns the id of the node whose events `name` means: a node on the roll or a deleted one with this id, otherwise one
 * with stored events under this id, otherwise the only node on the roll whose id begins so. @throws MusterError
 * `not_found` or `ambiguous`; BrokerError
 */
async function resolveEventsNode({ roll, stream }: DirectoryParts, name: string): Promise<string> {
  if (roll.records.stored(name).kind !== 'absent') return name;
  let hasEvents = false;
  await stream.lastPerSubject(eventWildcard(name), () => {
    hasEvents = true;
  });
  if (hasEvents) return name;
  try {
    return roll.records.resolve(name);
  } catch (error) {
    if (!(error instanceof MusterError) || error.code !== 'not_found') throw error;
    throw notFound(name, 'it is not on the roll, and no event of it is stored');
  }
}
