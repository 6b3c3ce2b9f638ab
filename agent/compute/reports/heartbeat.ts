// The heartbeat is the message that shows that this node is alive.
import { encodeHeartbeat, encodePlainHeartbeat } from '../../protocol/heartbeat.ts';
import { heartbeatSubject, isEnveloped, plainHeartbeatTopic } from '../../protocol/subjects.ts';
import type { Clock } from '../../system/clock.ts';
import type { Connection } from '../../transport/port.ts';
import type { Orchestrator } from '../orchestrator/orchestrator.ts';
import type { RegistrationState } from '../registration/state.ts';
import type { Report } from './report-schedule.ts';

export interface HeartbeatOptions {
  node: string;
  /** The topic of the heartbeats, as it was at the start. */
  topic: string;
  connection: Pick<Connection, 'publish'>;
  state: Readonly<RegistrationState>;
  orchestrator: Pick<Orchestrator, 'readsPlainHeartbeats'>;
  clock: Clock;
}

export class Heartbeat implements Report {
  readonly #options: HeartbeatOptions;
  readonly #subject: string;
  readonly #isEnveloped: boolean;
  #count = 0;
  #lastSent: Date | undefined;
  /** Called after the first heartbeat. The agent sets it. */
  onFirst: () => void = () => undefined;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#subject = heartbeatSubject(options.topic, options.node);
    this.#isEnveloped = isEnveloped(options.topic);
  }

  /** Number of heartbeats that were sent. It is also the number in the last one. */
  get count(): number {
    return this.#count;
  }

  /** Time when the last heartbeat was sent, by the wall clock. */
  get lastSent(): Date | undefined {
    return this.#lastSent;
  }

  /**
   * Publishes a heartbeat. It is not counted when the broker cannot take it. For an orchestrator of Bacalhau that may be an early
   * one, it is published on that one's subject as well.
   */
  send(): void {
    const { connection, node, state, clock, orchestrator } = this.#options;
    const at = clock.now();
    const beat = { NodeID: node, Sequence: this.#count + 1 };
    const data = this.#isEnveloped
      ? encodeHeartbeat(beat, state.session || undefined, at)
      : encodePlainHeartbeat(beat);
    if (!connection.publish(this.#subject, data)) return;
    if (this.#isEnveloped && orchestrator.readsPlainHeartbeats)
      connection.publish(plainHeartbeatTopic, encodePlainHeartbeat(beat));
    this.#count++;
    this.#lastSent = at;
    if (this.#count === 1) this.onFirst();
  }
}
