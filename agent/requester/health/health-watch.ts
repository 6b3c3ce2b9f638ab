// Keeps watch over the nodes: takes their signs of life, notices silence, doubts itself first, announces what changed.
import type { Evidence, HealthKind } from '../../protocol/events.ts';
import type { Health } from '../../protocol/node-state.ts';
import { echoSubject } from '../../protocol/subjects.ts';
import type { Clock, Timer } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import type { Connection, Subscription } from '../../transport/port.ts';
import { type HealthLimits, type Pulse, Pulses } from './health.ts';
import { ListeningClock } from './listening-clock.ts';

/** Milliseconds that a turn of the watch may be late. More can only mean that it has died. */
const patience = 30_000;

export interface VigilOptions {
  clock: Clock;
  log: Log;
  connection: Connection;
  /** Random per process. */
  instance: string;
  limits: HealthLimits;
  /** Milliseconds between two checks for silence (requester.heartbeatFrequency). */
  checkEvery: number;
  /** A node's health changed, and it is time to say so. */
  announce(node: string, kind: HealthKind, previous: Health, current: Health, evidence: Evidence): void;
  /** The requester ceased to trust its own silence, and why at first; undefined: it trusts it again. */
  doubt(reason: string | undefined): void;
}

export class Vigil {
  readonly #options: VigilOptions;
  readonly #pulses: Pulses;
  readonly #listening: ListeningClock;
  readonly #beat: number;
  readonly #subscriptions: Subscription[] = [];
  readonly #timers = new Map<string, Timer>();
  /** When each of them is due, in monotonic milliseconds. */
  readonly #due = new Map<string, number>();
  /** Until then nothing is announced: nodes need a while to be heard by a requester that has just started. */
  readonly #graceUntil: number;
  #graceOver = false;
  #echoSent = 0;
  #echoHeard = 0;
  /** Why the requester does not trust its own silence; undefined while it does. */
  #distrusted: string | undefined;

  constructor(options: VigilOptions) {
    const { clock, limits } = options;
    this.#options = options;
    this.#pulses = new Pulses(limits);
    this.#beat = Math.min(1000, Math.max(20, limits.disconnectedAfter / 40));
    this.#listening = new ListeningClock(() => clock.monotonic(), {
      beat: this.#beat,
      longestHold: 3 * limits.disconnectedAfter,
    });
    this.#graceUntil = limits.disconnectedAfter;
  }

  start(): void {
    const { connection, instance } = this.#options;
    this.#subscriptions.push(
      connection.onState(state => this.#connectionChanged(state.kind === 'connected')),
      connection.subscribe(echoSubject(instance), message => this.#echo(message.data)),
    );
    this.#connectionChanged(connection.state.kind === 'connected');
    this.#repeat('beat', this.#beat, () => this.#listening.beat());
    this.#repeat('check', this.#options.checkEvery, () => this.#check());
  }

  stop(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#due.clear();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  /** A node is on the roll; nothing changes when it is watched already. `told`: its health that was told last. */
  add(id: string, told: Health = 'UNKNOWN'): void {
    this.#pulses.add(id, told);
  }

  /** A node is no longer on the roll: nothing of it stays. */
  delete(id: string): void {
    this.#pulses.delete(id);
  }

  /** A sign of life of a node on the roll: HEALTHY, from any state. */
  heard(id: string, sequence?: number): void {
    const pulse = this.#pulses.get(id);
    if (!pulse) return;
    const { clock } = this.#options;
    const now = this.#listening.now();
    const at = clock.now().getTime();
    if (this.#pulses.health(pulse, now) !== 'HEALTHY') pulse.healthySince = at;
    this.#pulses.heard(pulse, now, at);
    if (sequence !== undefined) pulse.sequence = sequence;
    if (pulse.told !== 'HEALTHY') this.#tell(pulse, 'HEALTHY', 'heard again');
  }

  /** A node said that it stops: UNKNOWN at once. */
  left(id: string, reason: string): void {
    const pulse = this.#pulses.get(id);
    if (!pulse || pulse.left) return;
    this.#pulses.left(pulse);
    pulse.silentSince ??= this.#options.clock.now().getTime();
    if (pulse.told !== 'UNKNOWN') this.#tell(pulse, 'UNKNOWN', reason ? `left: ${reason}` : 'left');
  }

  /** Exact at any moment, between checks too. */
  health(id: string): Health {
    return this.#pulses.health(this.#pulses.get(id), this.#listening.now());
  }

  pulse(id: string): Readonly<Pulse> | undefined {
    return this.#pulses.get(id);
  }

  /** Milliseconds since the node was heard, as the rules count them; undefined when it never was, or has left. */
  silence(id: string): number | undefined {
    const lastSeen = this.#pulses.get(id)?.lastSeen;
    return lastSeen === undefined ? undefined : this.#listening.now() - lastSeen;
  }

  get size(): number {
    return this.#pulses.size;
  }

  /** Why silence is not held against nodes now; undefined when it is. */
  get distrusted(): string | undefined {
    return this.#distrusted;
  }

  /** The watch should go on and does not. A broker that is away does not stall it. */
  get stalled(): boolean {
    const now = this.#options.clock.monotonic();
    return [...this.#due.values()].some(at => now - at > patience);
  }

  #repeat(name: string, every: number, fn: () => void): void {
    const again = () => {
      this.#due.set(name, this.#options.clock.monotonic() + every);
      this.#timers.set(
        name,
        this.#options.clock.after(every, () => {
          again();
          fn();
        }),
      );
    };
    again();
  }

  #connectionChanged(connected: boolean): void {
    this.#listening.setConnected(connected);
    // An echo sent before the loss will not come; the next check sends another.
    this.#listening.setHolding(false);
    this.#echoHeard = this.#echoSent;
    this.#distrust(connected ? undefined : 'the connection to the broker is lost');
  }

  // Nobody is called silent before the broker has shown that it still carries our messages: the echo runs the check.
  #check(): void {
    const { connection, instance } = this.#options;
    if (connection.state.kind !== 'connected') return;
    if (this.#echoHeard < this.#echoSent) {
      this.#listening.setHolding(true);
      this.#distrust('the broker does not return our own messages');
      if (this.#listening.holdIsOver) this.#expire();
    }
    this.#echoSent++;
    connection.publish(echoSubject(instance), String(this.#echoSent));
  }

  #echo(data: Uint8Array): void {
    const number = Number(Buffer.from(data).toString('latin1'));
    if (!Number.isSafeInteger(number) || number > this.#echoSent) return;
    this.#echoHeard = Math.max(this.#echoHeard, number);
    if (this.#echoHeard < this.#echoSent) return;
    this.#listening.echoed();
    this.#distrust(undefined);
    this.#expire();
  }

  #distrust(reason: string | undefined): void {
    const told = (this.#distrusted === undefined) === (reason === undefined);
    this.#distrusted = reason;
    if (!told) this.#options.doubt(reason);
  }

  #expire(): void {
    const now = this.#listening.now();
    if (now < this.#graceUntil) return;
    if (!this.#graceOver) {
      this.#graceOver = true;
      for (const pulse of this.#pulses.values()) {
        const health = this.#pulses.health(pulse, now);
        if (pulse.told !== health)
          this.#tell(
            pulse,
            health,
            'first judgement, one requester.nodeDisconnectedAfter after the requester started',
          );
      }
    }
    for (const { pulse, health } of this.#pulses.expired(now)) {
      pulse.silentSince ??= this.#options.clock.now().getTime();
      if (pulse.told !== health) this.#tell(pulse, health, this.#ruleOf(health));
    }
  }

  #ruleOf(health: Health): string {
    const { limits } = this.#options;
    return health === 'UNHEALTHY'
      ? `silent for requester.nodeDisconnectedAfter (${limits.disconnectedAfter} ms)`
      : `silent for requester.nodeUnknownAfter (${limits.unknownAfter} ms)`;
  }

  #tell(pulse: Pulse, health: Health, rule: string): void {
    if (!this.#graceOver) return;
    const previous = pulse.told;
    pulse.told = health;
    const silence = this.silence(pulse.id);
    this.#options.announce(pulse.id, kindOf(pulse, health), previous, health, {
      ...(pulse.lastSeenAt ? { lastSeen: new Date(pulse.lastSeenAt).toISOString() } : {}),
      // Of a node that is heard there is no silence to tell of.
      ...(silence === undefined || health === 'HEALTHY' ? {} : { silence: Math.round(silence) }),
      rule,
    });
  }
}

function kindOf(pulse: Pulse, health: Health): HealthKind {
  if (health === 'HEALTHY') return 'healthy';
  if (health === 'UNHEALTHY') return 'unhealthy';
  return pulse.left ? 'left' : 'unknown';
}
