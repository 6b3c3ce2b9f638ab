// The directory contains what operators can see and do. The API calls only this part of the requester.
import type { Metric } from '../../output/metrics.ts';
import type { EventCursor } from '../../protocol/event-cursor.ts';
import type { LostNode } from '../../protocol/http.ts';
import type { NodeHistory } from '../../protocol/http-history.ts';
import type { OperationView } from '../../protocol/http-operations.ts';
import type { ShownBan } from '../../protocol/http-operators.ts';
import type { LabelChange } from '../../protocol/label.ts';
import type { NodeInfo } from '../../protocol/node-info.ts';
import type { GoneNode } from '../../protocol/tombstone.ts';
import type { AuthorityRotation } from '../authorities/authority-rotation.ts';
import type { BacalhauDesk } from '../enrolment/bacalhau-desk.ts';
import type { JoinCodeDesk } from '../enrolment/join-code-desk.ts';
import type { Act } from '../events/requester-events.ts';
import type { ListenerDesk } from '../listeners/listener-desk.ts';
import type { Operators } from '../operators/operators.ts';
import type { CordonWish } from '../roll/cordon-rules.ts';
import type { Decision } from '../roll/decisions.ts';
import type { RequesterStatus } from '../status/requester-status.ts';
import type { NodeView } from './node-view.ts';
import type { SeenNode } from './seen-node.ts';

export interface Directory {
  /** Node information of the requester itself. */
  readonly self: NodeInfo;
  /** The functions for join codes. */
  readonly joinCodes: JoinCodeDesk;
  /** The functions for listeners. */
  readonly listeners: ListenerDesk;
  /** Tells what nodes of Bacalhau need. */
  readonly bacalhau: BacalhauDesk;
  /** Path of the file with the operator's token of this machine; undefined when there is none. */
  readonly tokenFile: string | undefined;
  /** The operators' tokens. Reading it throws MusterError `unreachable` while the requester starts. */
  readonly operators: Pick<Operators, 'check' | 'prove' | 'list' | 'create' | 'revoke'>;
  /**
   * The CAs of the cluster. Reading it throws MusterError `conflict` when the requester has none of its own, and
   * `unreachable` while it starts.
   */
  readonly authorities: Pick<AuthorityRotation, 'view' | 'certificates' | 'rotate' | 'forget'>;
  /** Whether events come to this requester now: it has its broker, and the stream a leader. */
  readonly hearsEvents: boolean;
  status(): RequesterStatus;
  /** Returns the figures of this requester, also while it starts. */
  metrics(): Metric[];
  /**
   * Yields every node on the roll, in no order. The roll may change while it goes on.
   * @throws MusterError `unreachable` while the requester starts.
   */
  seen(): Iterable<SeenNode>;
  /**
   * Returns every node on the roll, sorted by id.
   * @throws MusterError `unreachable` while the requester starts.
   */
  list(): NodeView[];
  /**
   * Returns one node. `name` is its id or a unique beginning of the id, here and in the decisions. @throws MusterError
   * `not_found`, `ambiguous`, `bad_state`, `unreachable`.
   */
  get(name: string): NodeView;
  /**
   * Returns the resources of a node over the last hour, as far as they were kept, and goes on to keep them. `name` is as in `get`.
   * @throws MusterError as `get`
   */
  history(name: string): NodeHistory;
  /**
   * Approves a node. This and the other decisions about nodes do nothing when the operation in `decision` has decided it
   * before. @throws MusterError as `get`, and `conflict`; `unreachable` also when the store does not answer.
   */
  approve(name: string, decision: Decision): Promise<void>;
  /** Rejects a node. @throws MusterError as `approve`. */
  reject(name: string, decision: Decision): Promise<void>;
  /**
   * Deletes a node; with `isBan` its key is refused for ever too. @throws MusterError as `approve`; `conflict` when the node
   * has no key that could be banned.
   */
  delete(name: string, decision: Decision): Promise<void>;
  /**
   * Gives the record of a node to another key, which was refused because of it. The fingerprint in `decision` is that of the
   * new key. @throws MusterError as `approve`, and `not_found` when no such key wanted to be the node.
   */
  rekey(name: string, decision: Decision): Promise<void>;
  /** Keeps new work away from a node, or changes how. @throws MusterError as `approve` */
  cordon(name: string, decision: Decision & CordonWish): Promise<void>;
  /** Cordons a node and awaits the end of its work, which an event then tells. @throws MusterError as `approve` */
  drain(name: string, decision: Decision & CordonWish): Promise<void>;
  /** Lets a cordoned node have work again. @throws MusterError as `approve` */
  uncordon(name: string, decision: Decision): Promise<void>;
  /** Sets and removes labels of the control plane. @throws MusterError as `approve` */
  label(name: string, decision: Decision & { labels: LabelChange }): Promise<void>;
  /**
   * Gives a node another id. Its agent takes that by itself. `name` is the whole id. @throws MusterError as `approve`; `conflict`
   * when the new id is taken, or the agent could not take it
   */
  rename(name: string, decision: Decision & { newId: string }): Promise<void>;
  /**
   * Forgets a node that was not heard for this long. It may come back by itself, as PENDING and with its history. @throws
   * MusterError as `approve`; `conflict` when it was heard since, or is REJECTED
   */
  forget(name: string, decision: Decision & { silentForMs: number }): Promise<void>;
  /**
   * Brings back a node that was deleted or forgotten, with its membership, labels and key. `name` is its whole id. @throws
   * MusterError as `approve`; `conflict` when nothing is known of it, or another node has its key
   */
  undelete(name: string, decision: Decision): Promise<void>;
  /**
   * Returns the nodes that are gone and that something is known of, the latest first; only those that went within `sinceMs`, if
   * that is given. @throws MusterError `unreachable` while the requester starts.
   */
  goneNodes(sinceMs?: number): GoneNode[];
  /**
   * Says what became of an operation. @throws MusterError `unreachable` while the requester starts, and when that cannot be
   * known now because the store does not answer.
   */
  explain(operation: string): Promise<OperationView>;
  /** Returns the keys that are refused for ever. @throws MusterError `unreachable` while the requester starts. */
  bans(): ShownBan[];
  /**
   * Lifts the ban of the key with this fingerprint. `act` says who wants it. @throws MusterError `not_found`;
   * `unreachable`.
   */
  unban(fingerprint: string, act: Act): Promise<void>;
  /**
   * Returns the nodes whose records the store lost, sorted by id.
   * @throws MusterError `unreachable` while the requester starts.
   */
  lostNodes(): LostNode[];
  /**
   * Writes the record of a lost node again, as it was announced. `act` says who wants it, for the log.
   * @throws MusterError `not_found` when this id is not lost; `unreachable`.
   */
  rebuild(id: string, act: Act): Promise<void>;
  /**
   * Takes an older store, such as a restored backup, as the right one. `act` says who wants it. @throws MusterError
   * `conflict` when the store is not older; `not_writable`; `unreachable` while the requester starts.
   */
  confirmStore(act: Act): Promise<void>;
  /**
   * Calls `onEvent` with the stored events from `since` on, or after the cursor `after`, then with new ones, until it is stopped. Each event is a
   * CloudEvent in JSON, and comes with its cursor. `node` limits them to one node, by its id or a unique beginning of it; a deleted node is known as
   * long as it has stored events. When `onEvent` returns a promise, the next event waits for it. @throws MusterError as
   * `get`, and `gone` when events after the cursor are not kept any more. `ready` resolves when all stored
   * events have come.
   */
  follow(
    options: { node?: string | undefined; since?: Date | undefined; after?: EventCursor | undefined },
    onEvent: (event: Uint8Array, cursor: string) => void | Promise<void>,
  ): Promise<{ ready: Promise<void>; stop(): void }>;
}
