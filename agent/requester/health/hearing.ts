// Hearing is whether this requester can hear the nodes. It keeps the listening clock, and before silence is judged it makes sure,
// by a message to itself, that the broker delivers what nodes send.
import { echoSubject } from '../../protocol/subjects.ts';
import type { Clock, Timer } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import type { Connection, Subscription } from '../../transport/port.ts';
import { ListeningClock } from './listening-clock.ts';

/** Time by which a timer may be late before the requester counts as stalled, in milliseconds. */
const stalledAfterMs = 30_000;

export interface HearingOptions {
  clock: Clock;
  log: Log;
  connection: Connection;
  /** A random value of this process. */
  instance: string;
  /** Silence after which a node is UNHEALTHY, in milliseconds. The times of the hearing follow from it. */
  disconnectedAfterMs: number;
  /** Time between two checks, in milliseconds. */
  checkIntervalMs: number;
  /** Returns why the store has no quorum; undefined when it has one. Nodes may then be heard on the other side of a cut. */
  quorumFault(): string | undefined;
  /** Called at each check, while there is a connection. */
  onCheck(): void;
  /** Called after a check, when the silence of nodes can be judged. */
  onHeard(): void;
  /** Called when nodes can be heard again after they could not, with the reason. They may still have to connect again. */
  onRegained(reason: string): void;
  /** Called when `fault` changed. */
  onFault(): void;
}

export class Hearing {
  readonly #options: HearingOptions;
  readonly #listening: ListeningClock;
  readonly #beatIntervalMs: number;
  readonly #subscriptions: Subscription[] = [];
  readonly #timers = new Map<string, Timer>();
  /** Time when each timer is due, in monotonic milliseconds. */
  readonly #due = new Map<string, number>();
  #echoSent = 0;
  #echoReceived = 0;
  #wasConnected = false;
  #quorumFault: string | undefined;
  #fault: string | undefined;

  constructor(options: HearingOptions) {
    const { clock, disconnectedAfterMs } = options;
    this.#options = options;
    this.#beatIntervalMs = Math.min(1000, Math.max(20, disconnectedAfterMs / 40));
    this.#listening = new ListeningClock(() => clock.monotonic(), {
      beatMs: this.#beatIntervalMs,
      longestHoldMs: 3 * disconnectedAfterMs,
    });
  }

  start(): void {
    const { connection, instance, checkIntervalMs } = this.#options;
    this.#subscriptions.push(
      connection.onState(state => this.#onConnection(state.kind === 'connected')),
      connection.subscribe(echoSubject(instance), message => this.#onEcho(message.data)),
    );
    this.#onConnection(connection.state.kind === 'connected');
    this.#repeat('beat', this.#beatIntervalMs, () => this.#beat());
    this.#repeat('check', checkIntervalMs, () => this.#check());
  }

  stop(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#due.clear();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  /** Returns the time in which this requester could hear nodes, in milliseconds. */
  now(): number {
    return this.#listening.now();
  }

  /** The reason why the silence of nodes is not counted now; undefined while it is counted. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Whether the store has a quorum, as far as it is known. */
  get hasQuorum(): boolean {
    return this.#quorumFault === undefined;
  }

  /** Whether a timer is far too late. A broker that is away does not delay the timers. */
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
    this.#listening.setHearing(connected && this.hasQuorum);
    // An echo that was sent before the connection was lost never comes. The next check sends another one.
    this.#listening.setHolding(false);
    this.#echoReceived = this.#echoSent;
    // Verdicts have to wait before silence counts again.
    if (connected && this.#wasConnected) this.#options.onRegained('the connection to the broker was lost');
    this.#wasConnected ||= connected;
    this.#setFault(connected ? this.#quorumFault : 'the connection to the broker is lost');
  }

  #beat(): void {
    this.#listening.beat();
    this.#lookForQuorum();
  }

  #lookForQuorum(): void {
    const fault = this.#options.quorumFault();
    if (this.#options.connection.state.kind !== 'connected') return;
    if (fault === this.#quorumFault) return;
    this.#quorumFault = fault;
    this.#listening.setHearing(fault === undefined);
    if (fault === undefined) this.#options.onRegained('the store had no quorum');
    this.#setFault(fault);
  }

  // Sends a message to this requester itself. When the message returns, the broker still delivers messages, and the silence
  // of nodes can be counted.
  #check(): void {
    const { connection, instance, onCheck, onHeard } = this.#options;
    if (connection.state.kind !== 'connected') return;
    this.#lookForQuorum();
    onCheck();
    if (this.#echoReceived < this.#echoSent) {
      this.#listening.setHolding(true);
      this.#setFault(this.#quorumFault ?? 'the broker does not return our own messages');
      if (this.#listening.holdIsOver && this.hasQuorum) onHeard();
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
    this.#setFault(this.#quorumFault);
    if (this.hasQuorum) this.#options.onHeard();
  }

  #setFault(fault: string | undefined): void {
    const { log, onFault } = this.#options;
    const before = this.#fault;
    if (fault === before) return;
    this.#fault = fault;
    if (before === undefined) log.warn({ reason: fault }, 'the silence of nodes is not counted now');
    else if (fault === undefined) log.info({}, 'the silence of nodes is counted again');
    onFault();
  }
}
