// The trust in silence is whether a silent node may be judged now. It may not while this requester does not hear the nodes, or while
// their silence may be somebody else's fault.
import type { Clock } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import type { Connection } from '../../transport/port.ts';
import { Doubt, type VerdictHold, type WaitingVerdicts, waitingText } from './doubt.ts';
import type { HealthLimits, LivenessTable } from './health.ts';
import type { HealthAnnouncer } from './health-announcements.ts';
import { Hearing } from './hearing.ts';
import { ServerLookout } from './server-lookout.ts';

export interface SilenceTrustOptions {
  clock: Clock;
  log: Log;
  connection: Connection;
  /** A random value of this process. */
  instance: string;
  limits: HealthLimits;
  /** Time between two checks for silence, in milliseconds (requester.heartbeatFrequency). */
  checkIntervalMs: number;
  announcer: Pick<HealthAnnouncer, 'announceDegraded'>;
  /** What a NATS cluster says of its servers; undefined in tests. */
  servers?: ServersKnown | undefined;
  /** Called when the reason changes why silence is not judged. */
  onDegradedChange?: (() => void) | undefined;
}

/** What a cluster of NATS servers said last. */
export interface ServersKnown {
  /** The names of the servers that the others do not hear. */
  readonly unheard: readonly string[];
  /** Why nothing can be stored; undefined when it can. The second one is so for some seconds. */
  readonly quorumFault: string | undefined;
  readonly lastingFault: string | undefined;
}

export class SilenceTrust {
  readonly #options: SilenceTrustOptions;
  readonly #hearing: Hearing;
  readonly #doubt: Doubt;
  #isDegraded = false;

  /** `onHeard` is called after each check, when silence can be judged as far as this requester hears the nodes. */
  constructor(options: SilenceTrustOptions, nodes: LivenessTable, onHeard: () => void) {
    const { limits, connection, servers } = options;
    this.#options = options;
    this.#hearing = new Hearing({
      ...options,
      disconnectedAfterMs: limits.disconnectedAfterMs,
      // A cluster that does not answer has not said that it has a quorum again.
      quorumFault: () => servers?.quorumFault ?? servers?.lastingFault,
      onCheck: () => this.#doubt.lookForServers(this.#hearing.now()),
      onHeard,
      onRegained: reason => this.#doubt.begin(reason, this.#hearing.now()),
      onFault: () => this.#onDegraded(this.#hearing.fault),
    });
    const lookout = new ServerLookout({
      named: () => connection.named(),
      unheard: () => servers?.unheard ?? [],
    });
    const onHold = (hold: VerdictHold, waitedMs?: number) => this.#onHold(hold, waitedMs);
    this.#doubt = new Doubt({ nodes, limits, lookout, onHold });
  }

  start(): void {
    this.#hearing.start();
  }

  stop(): void {
    this.#hearing.stop();
  }

  /** Returns the time in which this requester could hear nodes, in milliseconds. */
  now(): number {
    return this.#hearing.now();
  }

  /** Whether silence is judged now. Nothing changes by that. */
  get isGiven(): boolean {
    return this.#hearing.fault === undefined && this.#doubt.hold === undefined;
  }

  /** Returns whether verdicts may be given at the listening time `now`. A hold may begin or end by that. */
  mayJudge(now: number): boolean {
    return this.#doubt.mayJudge(now);
  }

  /** Whether the verdict on a node that fell silent would wait at the listening time `now`. */
  wouldWait(now: number): boolean {
    return !this.#hearing.hasQuorum || this.#doubt.isHolding(now);
  }

  /** The reason why silent nodes are not judged now; undefined while they are. */
  get degradedReason(): string | undefined {
    const { waitingVerdicts } = this;
    return this.hearingFault ?? (waitingVerdicts && waitingText(waitingVerdicts));
  }

  /** The reason why this requester cannot hear the nodes; undefined while it can. */
  get hearingFault(): string | undefined {
    return this.#hearing.fault;
  }

  /** The verdicts that wait because the silence of nodes may be somebody else's fault; undefined while none do. */
  get waitingVerdicts(): WaitingVerdicts | undefined {
    const { hold } = this.#doubt;
    if (!hold) return undefined;
    const now = this.#hearing.now();
    const until = new Date(this.#options.clock.now().getTime() + Math.max(0, hold.until - now));
    return { nodes: this.#doubt.waiting(now), until, reason: hold.reason };
  }

  /** Whether a timer is far too late. A broker that is away does not delay the timers. */
  get stalled(): boolean {
    return this.#hearing.stalled;
  }

  #onHold({ reason, since, until }: VerdictHold, waitedMs: number | undefined): void {
    const { log, limits } = this.#options;
    const waiting = this.#doubt.waiting(this.#hearing.now());
    if (waitedMs === undefined) {
      const atMostMs = until - since;
      const isLonger = atMostMs > limits.disconnectedAfterMs;
      const more = isLonger ? { longerThanNodeDisconnectedAfter: true } : {};
      log.warn({ reason, nodes: waiting, atMostMs, ...more }, 'verdicts on silent nodes wait');
    } else log.info({ reason, waitedMs: Math.round(waitedMs) }, 'verdicts on silent nodes are given again');
    this.#onDegraded(waitedMs === undefined ? reason : undefined);
  }

  #onDegraded(reason: string | undefined): void {
    const { announcer, onDegradedChange } = this.#options;
    const isDegraded = !this.isGiven;
    if (isDegraded !== this.#isDegraded) {
      this.#isDegraded = isDegraded;
      announcer.announceDegraded(isDegraded ? reason : undefined);
    }
    onDegradedChange?.();
  }
}
