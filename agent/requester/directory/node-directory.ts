// The node directory carries out the requests of operators with the parts of a running requester.
import type { Metric } from '../../output/metrics.ts';
import type { LostNode } from '../../protocol/http.ts';
import type { NodeHistory } from '../../protocol/http-history.ts';
import type { OperationView } from '../../protocol/http-operations.ts';
import type { ShownBan } from '../../protocol/http-operators.ts';
import type { LabelChange } from '../../protocol/label.ts';
import type { NodeInfo } from '../../protocol/node-info.ts';
import type { NodeState } from '../../protocol/node-state.ts';
import type { GoneNode } from '../../protocol/tombstone.ts';
import { MusterError } from '../../system/errors.ts';
import { BrokerError } from '../../transport/port.ts';
import { type BacalhauDesk, bacalhauDesk } from '../enrolment/bacalhau-desk.ts';
import { type JoinCodeDesk, joinCodeDesk } from '../enrolment/join-code-desk.ts';
import type { Act } from '../events/requester-events.ts';
import { type ListenerDesk, listenerDesk } from '../listeners/listener-desk.ts';
import { explainOperation } from '../operations/explain-operation.ts';
import { OperationNotes } from '../operations/operation-notes.ts';
import type { CordonWish } from '../roll/cordon-rules.ts';
import { type Decision, unusable } from '../roll/decisions.ts';
import type { RequesterStatus } from '../status/requester-status.ts';
import { authorityMaker } from '../watcher/peers.ts';
import { madeByAnother, noAuthorities } from './authority-faults.ts';
import type { Directory } from './directory.ts';
import { DirectoryFaults } from './directory-faults.ts';
import type { NodeDirectoryOptions } from './directory-parts.ts';
import { followEvents } from './follow-events.ts';
import { goneNodes } from './gone-nodes.ts';
import { NodeDecisions } from './node-decisions.ts';
import { type NodeView, withOutlook } from './node-view.ts';
import { notedAuthorities, notedJoinCodes, notedListeners, notedOperators } from './noted-changes.ts';
import { type SeenNode, seenNode, viewOf } from './seen-node.ts';

export class NodeDirectory implements Directory {
  readonly joinCodes: JoinCodeDesk;
  readonly listeners: ListenerDesk;
  readonly bacalhau: BacalhauDesk;
  readonly #options: NodeDirectoryOptions;
  readonly #decisions: NodeDecisions;
  readonly #faults: DirectoryFaults;
  readonly #notes: OperationNotes;

  constructor(options: NodeDirectoryOptions) {
    this.#options = options;
    const { parts, brokerAddresses, unverifiedToken: token, log } = options;
    this.#faults = new DirectoryFaults(options);
    this.#notes = new OperationNotes(options.clock);
    this.#decisions = new NodeDecisions({ ...options, faults: this.#faults, notes: this.#notes });
    this.joinCodes = notedJoinCodes(joinCodeDesk({ parts, addresses: brokerAddresses }), this.#notes);
    const listeners = () => parts().listeners;
    this.listeners = notedListeners(listenerDesk({ listeners, addresses: brokerAddresses }), this.#notes);
    this.bacalhau = bacalhauDesk({ log, token, addresses: brokerAddresses });
  }

  get self(): NodeInfo {
    return this.#options.self;
  }

  get tokenFile(): string | undefined {
    return this.#options.tokenFile;
  }

  get hearsEvents(): boolean {
    return this.#options.hearsEvents();
  }

  get operators(): Directory['operators'] {
    return notedOperators(this.#options.parts().operators, this.#notes);
  }

  status(): RequesterStatus {
    return this.#options.status();
  }

  metrics(): Metric[] {
    return this.#options.metrics();
  }

  *seen(): Generator<SeenNode> {
    const parts = this.#options.parts();
    for (const state of parts.roll.records.list()) yield seenNode(parts, state);
  }

  list(): NodeView[] {
    const parts = this.#options.parts();
    const views = [...parts.roll.records.list()].map(state => viewOf(seenNode(parts, state)));
    return views.sort((a, b) => (a.Info.NodeID < b.Info.NodeID ? -1 : 1));
  }

  get(name: string): NodeView {
    const parts = this.#options.parts();
    const id = parts.roll.records.resolve(name);
    const state = parts.roll.records.get(id);
    if (!state) throw unusable(parts.roll.records.stored(id), id);
    const outlook = parts.health.outlook(id);
    const view = viewOf(seenNode(parts, state));
    return outlook ? withOutlook(view, outlook, this.#options.clock.now()) : view;
  }

  history(name: string): NodeHistory {
    const { roll, history } = this.#options.parts();
    const id = roll.records.resolve(name);
    if (!roll.records.get(id)) throw unusable(roll.records.stored(id), id);
    return history.look(id);
  }

  approve(name: string, decision: Decision): Promise<void> {
    return this.#decisions.approve(name, decision);
  }

  reject(name: string, decision: Decision): Promise<void> {
    return this.#decisions.reject(name, decision);
  }

  delete(name: string, decision: Decision): Promise<void> {
    return this.#decisions.delete(name, decision);
  }

  rekey(name: string, decision: Decision): Promise<void> {
    return this.#decisions.rekey(name, decision);
  }

  cordon(name: string, decision: Decision & CordonWish): Promise<void> {
    return this.#decisions.cordon(name, decision);
  }

  drain(name: string, decision: Decision & CordonWish): Promise<void> {
    return this.#decisions.drain(name, decision);
  }

  uncordon(name: string, decision: Decision): Promise<void> {
    return this.#decisions.uncordon(name, decision);
  }

  forget(name: string, decision: Decision & { silentForMs: number }): Promise<void> {
    return this.#decisions.forget(name, decision);
  }

  undelete(name: string, decision: Decision): Promise<void> {
    return this.#decisions.undelete(name, decision);
  }

  goneNodes(sinceMs?: number): GoneNode[] {
    const { parts, clock } = this.#options;
    return goneNodes(parts().roll.records.gone(), clock.now(), sinceMs);
  }

  rename(name: string, decision: Decision & { newId: string }): Promise<void> {
    return this.#decisions.rename(name, decision);
  }

  label(name: string, decision: Decision & { labels: LabelChange }): Promise<void> {
    return this.#decisions.label(name, decision);
  }

  async explain(operation: string): Promise<OperationView> {
    const { parts, clock, self, status } = this.#options;
    const { roll, stream, cluster, peers } = parts();
    const isOther = ({ Info }: NodeState) => Info.NodeType === 'Requester' && Info.NodeID !== self.NodeID;
    const others = () => [...roll.records.list()].filter(isOther).map(({ Info }) => Info.NodeID);
    const serversAway = () => [
      ...new Set((status().store ?? []).flatMap(({ others }) => others.flatMap(awayOf))),
    ];
    return explainOperation(operation, {
      clock,
      requester: self.NodeID,
      notes: this.#notes,
      roll,
      stream,
      cluster,
      serversAway,
      silentRequesters: () => peers.askSilent(others()),
    });
  }

  bans(): ShownBan[] {
    return this.#options.parts().keys?.list() ?? [];
  }

  unban(wanted: string, act: Act): Promise<void> {
    return this.#decisions.unban(wanted, act);
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
    const findOut = 'muster store rebuild --dry-run';
    await this.#notes.during(act.operation, { node: id, action: 'rebuild' }, () =>
      roll.rebuild(id, act.operation).catch(error => this.#faults.throwUndecided(error, id, findOut)),
    );
    this.#options.log.info({ node: id, ...act }, 'the lost record of this node was written again');
  }

  get authorities(): Directory['authorities'] {
    const { authorities, parts, brokerFolder } = this.#options;
    const maker = authorityMaker(parts().peers.list())?.requester;
    if (authorities) return notedAuthorities(authorities, this.#notes);
    throw maker === undefined ? noAuthorities(brokerFolder !== undefined) : madeByAnother(maker);
  }

  confirmStore(act: Act): Promise<void> {
    const about = { what: 'the older store', action: 'confirm' };
    return this.#notes.during(act.operation, about, () => this.#confirmStore(act));
  }

  async #confirmStore(act: Act): Promise<void> {
    const { storeMark, parts, log } = this.#options;
    const { recovery, peers } = parts();
    // Another requester may have found that the store is older, even if this one has not.
    if (!(await storeMark?.confirm()) && !peers.areThere) {
      throw new MusterError('conflict', 'there is nothing to confirm: the store is not older than it was');
    }
    await recovery.confirm(act).catch(throwUntold);
    log.warn({ ...act }, 'an operator confirmed that the older store is the right one');
  }

  async follow(...[wish, onEvent]: Parameters<Directory['follow']>): ReturnType<Directory['follow']> {
    return followEvents(this.#options.parts(), wish, onEvent).catch(error => this.#faults.throwUnread(error));
  }
}

const awayOf = ({ server, current }: { server: string; current: boolean }): string[] =>
  current ? [] : [server];

function throwUntold(cause: unknown): never {
  if (!(cause instanceof BrokerError)) throw cause;
  const text = `this requester takes the store for the right one now, but could not tell the others: ${cause.message}`;
  throw new MusterError('unreachable', text, { hint: 'confirm it again in a moment', cause });
}
