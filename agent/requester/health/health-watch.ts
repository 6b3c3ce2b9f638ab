// The health watch receives the nodes' signs of life and notices silence. It announces each change of health, while its
// requester is the one that watches over the roll.
import type { Health, NodeState } from '../../protocol/node-state.ts';
import { echoSubject } from '../../protocol/subjects.ts';
import type { Clock, Timer } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import type { Connection, Subscription } from '../../transport/port.ts';
import { type HealthLimits, type Liveness, LivenessTable } from './health.ts';
import { HealthAnnouncements, type HealthAnnouncer } from './health-announcements.ts';
import { ListeningClock } from './listening-clock.ts';

/** Time by which a timer may be late before the watch counts as stalled, in milliseconds. */
const stalledAfterMs = 30_000;

export interface HealthWatchOptions {
  clock: Clock;
  log: Log;
  connection: Connection;
  /** A random value of this process. */
  instance: string;
  limits: HealthLimits;
  /** Time between two checks for silence, in milliseconds (requester.heartbeatFrequency). */
  checkIntervalMs: number;
  announcer: HealthAnnouncer;
  /** Called when a node that was alive falls silent or leaves. */
  onSilent?: ((id: string) => void) | undefined;
  /** Called when the requester becomes degraded, and when that ends. */
  onDegradedChange?: (() => void) | undefined;
}

export class HealthWatch {
  readonly #options: HealthWatchOptions;
  readonly #nodes: LivenessTable;
  readonly #listening: ListeningClock;
  readonly #beatIntervalMs: number;
  readonly #subscriptions: Subscription[] = [];
  readonly #timers = new Map<string, Timer>();
  /** Time when each timer is due, in monotonic milliseconds. */
  readonly #due = new Map<string, number>();
  /** The listening time before which nothing is announced, because a new requester has received no heartbeats yet. */
  readonly #graceUntil: number;
  readonly #announcements: HealthAnnouncements;
  #graceOver = false;
  /** Whether this requester announces health. Another one of the same roll may do so. */
  #isAnnouncing = true;
  #echoSent = 0;
  #echoReceived = 0;
  #degradedReason: string | undefined;

  constructor(options: HealthWatchOptions) {
    const { clock, limits } = options;
    this.#options = options;
    this.#nodes = new LivenessTable(limits);
    this.#beatIntervalMs = Math.min(1000, Math.max(20, limits.disconnectedAfterMs / 40));
    this.#listening = new ListeningClock(() => clock.monotonic(), {
      beatMs: this.#beatIntervalMs,
      longestHoldMs: 3 * limits.disconnectedAfterMs,
    });
    this.#graceUntil = limits.disconnectedAfterMs;
    this.#announcements = new HealthAnnouncements({ ...options, silenceMs: id => this.silenceMs(id) });
  }

  start(): void {
    const { connection, instance } = this.#options;
    this.#subscriptions.push(
      connection.onState(state => this.#onConnection(state.kind === 'connected')),
      connection.subscribe(echoSubject(instance), message => this.#onEcho(message.data)),
    );
    this.#onConnection(connection.state.kind === 'connected');
    this.#repeat('beat', this.#beatIntervalMs, () => this.#listening.beat());
    this.#repeat('check', this.#options.checkIntervalMs, () => this.#check());
  }

  stop(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#due.clear();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  /**
   * Watches a node. A node that is already watched does not change. `announced` is the health that was announced last,
   * `lastSeenAt` the wall-clock time of the last sign of life before this start, in milliseconds since 1970.
   */
  add(id: string, announced: Health = 'UNKNOWN', lastSeenAt?: number): void {
    this.#nodes.add(id, announced, lastSeenAt);
  }

  /** Announces nothing more, because another requester watches over the roll. */
  standBy(): void {
    this.#isAnnouncing = false;
  }

  /** Announces health from now on. `announced` returns what was announced last of a node. */
  takeOver(announced: (id: string) => Health): void {
    for (const node of this.#nodes.values()) node.announced = announced(node.id);
    this.#isAnnouncing = true;
    if (this.#graceOver) this.#judgeAll('first judgement of the requester that took over the watch');
  }

  /** Watches a compute node that has a new record. */
  onRecord(id: string, state: NodeState): void {
    if (state.Info.NodeType === 'Compute') this.#nodes.add(id);
  }

  /** Forgets a node that is no longer on the roll. */
  onRemoved(id: string): void {
    this.#nodes.delete(id);
    this.#announcements.forget(id);
  }

  /**
   * Notes a sign of life. The node is then HEALTHY, whatever it was before. `sequence` is the number in its heartbeat.
   */
  markAlive(id: string, sequence?: number): void {
    const node = this.#nodes.markAlive(id, this.#listening.now(), this.#options.clock.now().getTime());
    if (!node) return;
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
    return this.#nodes.health(this.#nodes.get(id), this.#listening.now());
  }

  /** Returns the time in which this requester could hear nodes, in milliseconds. */
  listeningMs(): number {
    return this.#listening.now();
  }

  liveness(id: string): Readonly<Liveness> | undefined {
    return this.#nodes.get(id);
  }

  /**
   * Returns the listening time since the node's last sign of life, in milliseconds; undefined when there was none, or
   * when the node has left.
   */
  silenceMs(id: string): number | undefined {
    const lastSeen = this.#nodes.get(id)?.lastSeen;
    return lastSeen === undefined ? undefined : this.#listening.now() - lastSeen;
  }

  /** Returns all nodes that are watched. */
  nodes(): Iterable<Readonly<Liveness>> {
    return this.#nodes.values();
  }

  get size(): number {
    return this.#nodes.size;
  }

  /** The reason why the silence of nodes is not counted now; undefined while it is counted. */
  get degradedReason(): string | undefined {
    return this.#degradedReason;
  }

  /** Whether a timer of the watch is far too late. A broker that is away does not stall the watch. */
  get stalled(): boolean {
    const now = this.#options.clock.monotonic();
    return [...this.#due.values()].some(at => now - at > stalledAfterMs);
  }

  #repeat(name: string, intervalMs: number, fn: () => void): void {
    const schedule = () => {
      this.#due.set(name, this.#options.clock.monotonic() + intervalMs);
      this.#timers.set(
        name,
        this.#options.clock.after(intervalMs, () => {
          schedule();
          fn();
        }),
      );
    };
    schedule();
  }

  #onConnection(connected: boolean): void {
    this.#listening.setConnected(connected);
    // An echo that was sent before the connection was lost never comes. The next check sends another one.
    this.#listening.setHolding(false);
    this.#echoReceived = this.#echoSent;
    this.#setDegraded(connected ? undefined : 'the connection to the broker is lost');
  }

  // Sends a message to this requester itself. When the message returns, the broker still delivers messages, and the silence
  // of nodes can be counted.
  #check(): void {
    const { connection, instance } = this.#options;
    if (connection.state.kind !== 'connected') return;
    if (this.#echoReceived < this.#echoSent) {
      this.#listening.setHolding(true);
      this.#setDegraded('the broker does not return our own messages');
      if (this.#listening.holdIsOver) this.#expire();
    }
    this.#echoSent++;
    connection.publish(echoSubject(instance), String(this.#echoSent));
  }

  #onEcho(data: Uint8Array): void {
    const number = Number(Buffer.from(data).toString('latin1'));
    if (!Number.isSafeInteger(number) || number > this.#echoSent) return;
    this.#echoReceived = Math.max(this.#echoReceived, number);
    if (this.#echoReceived < this.#echoSent) return;
    this.#listening.endHolds();
    this.#setDegraded(undefined);
    this.#expire();
  }

  #setDegraded(reason: string | undefined): void {
    const { log, announcer, onDegradedChange } = this.#options;
    const changes = (this.#degradedReason === undefined) !== (reason === undefined);
    this.#degradedReason = reason;
    if (!changes) return;
    if (reason) log.warn({ reason }, 'requester degraded: the silence of nodes is not counted now');
    else log.info({}, 'requester no longer degraded');
    announcer.announceDegraded(reason);
    onDegradedChange?.();
  }

  #expire(): void {
    const now = this.#listening.now();
    if (now < this.#graceUntil) return;
    if (!this.#graceOver) this.#endGrace();
    for (const { node, health } of this.#nodes.expired(now)) {
      this.#noteSilence(node);
      if (node.announced !== health) this.#announce(node, health, this.#ruleOf(health));
    }
    this.#announcements.announceWaiting(id => {
      const node = this.#nodes.get(id);
      return node && { node, health: this.#nodes.health(node, now) };
    });
  }

  #noteSilence(node: Liveness): void {
    if (node.silentSince !== undefined) return;
    node.silentSince = this.#options.clock.now().getTime();
    this.#options.onSilent?.(node.id);
  }

  #endGrace(): void {
    this.#graceOver = true;
    this.#judgeAll('first judgement, one requester.nodeDisconnectedAfter after the requester started');
  }

  #judgeAll(rule: string): void {
    const now = this.#listening.now();
    for (const node of this.#nodes.values()) {
      const health = this.#nodes.health(node, now);
      if (node.announced !== health) this.#announce(node, health, rule);
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
