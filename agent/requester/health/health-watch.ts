// The health watch receives the nodes' signs of life and gives verdicts on their silence. It announces each change of health,
// while its requester is the one that watches over the roll.
import type { Health, NodeState } from '../../protocol/node-state.ts';
import type { WaitingVerdicts } from './doubt.ts';
import { type HeardInBytes, LivenessTable } from './health.ts';
import { HealthAnnouncements, type HealthAnnouncer } from './health-announcements.ts';
import { heardBefore } from './heard-before.ts';
import { type Liveness, silenceAt } from './liveness.ts';
import { type Outlook, outlookOf } from './outlook.ts';
import { SilenceTrust, type SilenceTrustOptions } from './silence-trust.ts';

export interface HealthWatchOptions extends SilenceTrustOptions {
  announcer: HealthAnnouncer;
  /** Called when a node that was alive falls silent or leaves. */
  onSilent?: ((id: string) => void) | undefined;
}

export class HealthWatch {
  readonly #options: HealthWatchOptions;
  readonly #nodes: LivenessTable;
  readonly #trust: SilenceTrust;
  readonly #announcements: HealthAnnouncements;
  /** The listening time before which nothing is announced, because a new requester has received no heartbeats yet. */
  readonly #graceUntil: number;
  #graceOver = false;
  /** Whether this requester announces health. Another one of the same roll may do so. */
  #isAnnouncing = true;
  /** Why all nodes are judged at the next verdicts, and not only those that fell silent. */
  #judgeAllBy: string | undefined;
  /** The nodes whose lost records came back, with the listening time at which each is judged. */
  readonly #restored = new Map<string, number>();

  constructor(options: HealthWatchOptions) {
    const { limits } = options;
    this.#options = options;
    this.#nodes = new LivenessTable(limits);
    this.#trust = new SilenceTrust(options, this.#nodes, () => this.#judge());
    this.#graceUntil = limits.disconnectedAfterMs;
    this.#announcements = new HealthAnnouncements({
      ...options,
      silenceMs: id => this.silenceMs(id),
      onTurn: () => this.#announceWaiting(),
    });
  }

  start(): void {
    this.#trust.start();
  }

  stop(): void {
    this.#announcements.stop();
    this.#trust.stop();
  }

  /**
   * Watches a node. A node that is already watched does not change. `announced` is the health that was announced last,
   * `lastSeenAt` the wall-clock time of the last sign of life before this start, in milliseconds since 1970.
   */
  add(id: string, announced: Health = 'UNKNOWN', lastSeenAt?: number): void {
    this.#nodes.add(id, announced, lastSeenAt);
  }

  /** Follows the record of a node that is watched: the session under which its heartbeats count. */
  followRecord(id: string, { Info, Membership, Muster }: NodeState): void {
    // Who else hears of a PENDING node is told only after a look at its record.
    const isPlain = Info.NodeType === 'Compute' && Membership !== 'PENDING';
    this.#nodes.setSession(id, isPlain ? Muster?.Session : null);
  }

  /** Announces nothing more, because another requester watches over the roll. */
  standBy(): void {
    this.#isAnnouncing = false;
  }

  /** Announces health from now on. `announced` returns what was announced last of a node. */
  takeOver(announced: (id: string) => Health): void {
    for (const node of this.#nodes.values()) node.announced = announced(node.id);
    this.#isAnnouncing = true;
    if (!this.#graceOver) return;
    this.#judgeAllBy = 'first judgement of the requester that took over the watch';
    if (this.#trust.isGiven) this.#judge();
  }

  /** Watches a compute node that has a new record. */
  onRecord(id: string, state: NodeState): void {
    if (state.Info.NodeType === 'Compute')
      this.#nodes.add(id, undefined, heardBefore(state, this.#options.clock.now()));
    this.followRecord(id, state);
  }

  /**
   * Watches a compute node whose record was lost and is there again. What was announced of its health still counts. It is
   * judged after `disconnectedAfterMs`, unless it is heard until then.
   */
  onRestored(id: string, state: NodeState): void {
    if (state.Info.NodeType !== 'Compute') return;
    const { announcer, limits } = this.#options;
    this.#nodes.add(id, announcer.announcedHealth(id));
    this.#restored.set(id, this.#trust.now() + limits.disconnectedAfterMs);
  }

  /** Forgets a node that is no longer on the roll. */
  onRemoved(id: string): void {
    this.#restored.delete(id);
    this.#nodes.delete(id);
    this.#announcements.forget(id);
  }

  /**
   * Notes a sign of life. The node is then HEALTHY, whatever it was before. `sequence` is the number in its heartbeat.
   */
  markAlive(id: string, sequence?: number): void {
    const node = this.#nodes.get(id);
    if (node) this.#noteAlive(node, sequence);
  }

  /**
   * Notes a heartbeat as `markAlive` does, if it is certain to count: the node needs no look at its record, and `session` is that
   * of the record. Otherwise it returns false, and the record has to be asked. In a large cluster the record of a node is in no
   * cache of the processor, and a look at it costs more than all the rest.
   */
  markHeard(id: string, session: string | undefined, sequence: number): boolean {
    const now = this.#trust.now();
    if (this.#nodes.noteUsual(id, session, sequence, now, this.#options.clock.now().getTime())) return true;
    const node = this.#nodes.get(id);
    if (!node || !this.#nodes.hasSession(id, session)) return false;
    this.#noteAlive(node, sequence);
    return true;
  }

  /**
   * Notes a heartbeat as `markHeard` does, by the bytes of its id and its session, of a node that was HEALTHY and is announced so.
   * Returns false, and changes nothing, for any other.
   */
  markUsual(heard: HeardInBytes): boolean {
    return this.#nodes.noteHeard(heard, this.#trust.now(), this.#options.clock.now().getTime());
  }

  #noteAlive(node: Liveness, sequence: number | undefined): void {
    this.#nodes.note(node, this.#trust.now(), this.#options.clock.now().getTime());
    if (sequence !== undefined) node.sequence = sequence;
    if (node.announced !== 'HEALTHY') this.#announce(node, 'HEALTHY', 'heard again');
  }

  /** Notes that a node said it stops. It is UNKNOWN at once. */
  markLeft(id: string, reason: string): void {
    const node = this.#nodes.get(id);
    if (!node || node.left) return;
    this.#nodes.markLeft(node);
    this.#noteSilence(node);
    if (node.announced !== 'UNKNOWN') this.#announce(node, 'UNKNOWN', reason ? `left: ${reason}` : 'left');
  }

  /** Returns the health of a node as it is at this moment, also between two checks. */
  health(id: string): Health {
    const node = this.#nodes.get(id);
    return node ? this.healthAt(node, this.#trust.now()) : 'UNKNOWN';
  }

  /** Returns the health of a node of this watch at a time that `listeningMs` returned now. */
  healthAt(node: Readonly<Liveness>, now: number): Health {
    const health = this.#nodes.health(node, now);
    if (health === 'HEALTHY' || !this.#nodes.isAlive(node)) return health;
    return this.#trust.wouldWait(now) ? 'HEALTHY' : health;
  }

  /** Returns the time in which this requester could hear nodes, in milliseconds. */
  listeningMs(): number {
    return this.#trust.now();
  }

  liveness(id: string): Readonly<Liveness> | undefined {
    return this.#nodes.get(id);
  }

  /**
   * Returns the listening time since the node's last sign of life, in milliseconds; undefined when there was none, or
   * when the node has left.
   */
  silenceMs(id: string): number | undefined {
    const node = this.#nodes.get(id);
    return node && silenceAt(node, this.#trust.now());
  }

  /** Returns why a node has its health, and what comes next; undefined for a node that is not watched. */
  outlook(id: string): Outlook | undefined {
    const node = this.#nodes.get(id);
    if (!node) return undefined;
    const facts = { health: this.health(id), silenceMs: this.silenceMs(id), left: node.left };
    return outlookOf({ ...facts, waits: this.degradedReason }, this.#options.limits);
  }

  /** Returns all nodes that are watched. */
  nodes(): Iterable<Readonly<Liveness>> {
    return this.#nodes.values();
  }

  get size(): number {
    return this.#nodes.size;
  }

  /** Number of nodes that are still HEALTHY and were silent for more than half of nodeDisconnectedAfter. */
  get late(): number {
    return this.#nodes.countNotHeardSince(this.#trust.now() - this.#options.limits.disconnectedAfterMs / 2);
  }

  /** The reason why silent nodes are not judged now; undefined while they are. */
  get degradedReason(): string | undefined {
    return this.#trust.degradedReason;
  }

  /** The reason why this requester cannot hear the nodes; undefined while it can. */
  get hearingFault(): string | undefined {
    return this.#trust.hearingFault;
  }

  /** The verdicts that wait because the silence of nodes may be somebody else's fault; undefined while none do. */
  get waitingVerdicts(): WaitingVerdicts | undefined {
    return this.#trust.waitingVerdicts;
  }

  /** Whether a timer of the watch is far too late. A broker that is away does not stall the watch. */
  get stalled(): boolean {
    return this.#trust.stalled;
  }

  // Gives the verdicts that are due, unless they wait.
  #judge(): void {
    const now = this.#trust.now();
    if (!this.#trust.mayJudge(now) || now < this.#graceUntil) return;
    if (!this.#graceOver) {
      this.#graceOver = true;
      this.#judgeAllBy = 'first judgement, one requester.nodeDisconnectedAfter after the requester started';
    }
    this.#judgeAll();
    this.#judgeRestored(now);
    for (const { node, health } of this.#nodes.expired(now)) {
      this.#noteSilence(node);
      if (node.announced !== health) this.#announce(node, health, this.#ruleOf(health));
    }
    this.#announceWaiting();
  }

  // What waits is announced at a later check if silence does not count now. A node that fell silent since the last check is not
  // judged before the next one.
  #announceWaiting(): void {
    if (!this.#isAnnouncing || !this.#trust.isGiven) return;
    const now = this.#trust.now();
    this.#announcements.announceWaiting(id => {
      const node = this.#nodes.get(id);
      return node && { node, health: this.#nodes.isAlive(node) ? 'HEALTHY' : this.#nodes.health(node, now) };
    });
  }

  #noteSilence(node: Liveness): void {
    if (node.silentSince !== undefined) return;
    node.silentSince = this.#options.clock.now().getTime();
    this.#options.onSilent?.(node.id);
  }

  #judgeAll(): void {
    const rule = this.#judgeAllBy;
    if (rule === undefined) return;
    this.#judgeAllBy = undefined;
    const now = this.#trust.now();
    for (const node of this.#nodes.values()) {
      const health = this.#nodes.health(node, now);
      if (node.announced !== health) this.#announce(node, health, rule);
    }
  }

  // A node that was not heard since is in no queue, so its silence ends nowhere else.
  #judgeRestored(now: number): void {
    for (const [id, at] of this.#restored) {
      if (at > now) return;
      this.#restored.delete(id);
      const node = this.#nodes.get(id);
      if (node?.lastSeen !== undefined || !node) continue;
      const health = this.#nodes.health(node, now);
      if (node.announced !== health)
        this.#announce(node, health, 'not heard since its lost record was written again');
    }
  }

  #ruleOf(health: Health): string {
    const { limits } = this.#options;
    return health === 'UNHEALTHY'
      ? `silent for requester.nodeDisconnectedAfter (${limits.disconnectedAfterMs} ms)`
      : `silent for requester.nodeUnknownAfter (${limits.unknownAfterMs} ms)`;
  }

  #announce(node: Liveness, current: Health, rule: string): void {
    if (this.#graceOver && this.#isAnnouncing) this.#announcements.announce(node, current, rule);
  }
}
