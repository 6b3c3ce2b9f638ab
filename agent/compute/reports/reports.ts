// Starts and stops the three reports of a node as the phase of the registration requires, and sends one at once when
// something changed.
import { type ManagementMethod, managementSubject } from '../../protocol/subjects.ts';
import type { Clock, Timer } from '../../system/clock.ts';
import { reasonOf } from '../../system/errors.ts';
import type { LimitedLog } from '../../system/limited-log.ts';
import type { Random } from '../../system/random.ts';
import type { Registration } from '../registration/registration.ts';
import type { RequesterClient } from '../registration/requester-client.ts';
import { isAccepted, isShutOut, type RegistrationState } from '../registration/state.ts';
import type { Heartbeat } from './heartbeat.ts';
import { type Lateness, type ReportFrequencies, ReportSchedule } from './report-schedule.ts';

export interface ReportsOptions {
  node: string;
  clock: Clock;
  random: Random;
  limitedLog: LimitedLog;
  settings: ReportFrequencies;
  state: Readonly<RegistrationState>;
  heartbeat: Heartbeat;
  client: Pick<RequesterClient, 'sendInfo' | 'updateResources' | 'isInfoOutdated'>;
  registration: Pick<Registration, 'applyAnswer'>;
}

/** Time over which the nodes spread their first reports after the broker is back, in milliseconds. */
const reconnectSpreadMs = 1_000;

export class Reports {
  readonly #options: ReportsOptions;
  readonly #heartbeats: ReportSchedule;
  readonly #info: ReportSchedule;
  readonly #resources: ReportSchedule;
  #reconnectTimer: Timer | undefined;
  #isStopped = false;

  constructor(options: ReportsOptions) {
    const { clock, random, settings, heartbeat } = options;
    const common = { clock, random, settings };
    this.#options = options;
    this.#heartbeats = new ReportSchedule({ ...common, frequency: 'heartbeatFrequency', report: heartbeat });
    this.#info = new ReportSchedule({
      ...common,
      frequency: 'infoUpdateFrequency',
      report: { send: () => this.#sendInfo() },
    });
    this.#resources = new ReportSchedule({
      ...common,
      frequency: 'resourceUpdateFrequency',
      report: { send: () => this.#sendResources() },
    });
  }

  /** Starts and stops the reports as the phase of the registration requires. */
  followPhase(): void {
    if (this.#isStopped) return;
    const wanted = reportsIn(this.#options.state);
    if (wanted === 'none') this.#heartbeats.stop();
    else this.#heartbeats.start('now');
    if (wanted === 'all') {
      // The registration has just sent the node's information, so the first report comes later.
      this.#info.start('later');
      this.#resources.start('now');
    } else {
      this.#info.stop();
      this.#resources.stop();
    }
  }

  /**
   * Sends a heartbeat and the resources soon after the broker is back. Each node waits a random short time, so that not
   * all nodes send together.
   */
  sendAfterReconnect(): void {
    const { clock, random } = this.#options;
    this.#reconnectTimer?.cancel();
    this.#reconnectTimer = clock.after(random.fraction() * reconnectSpreadMs, () => {
      this.#heartbeats.sendNow();
      this.#resources.sendNow();
    });
  }

  sendInfoNow(): void {
    this.#info.sendNow();
  }

  sendInfoIfChanged(): void {
    if (this.#options.client.isInfoOutdated) this.#info.sendNow();
  }

  sendResourcesNow(): void {
    this.#resources.sendNow();
  }

  /** Starts the waits of all reports again, because the settings have changed. */
  reschedule(): void {
    for (const schedule of [this.#heartbeats, this.#info, this.#resources]) schedule.reschedule();
  }

  /**
   * Names the reports that should be sent but are not; undefined when there are none. While the broker is away, no report
   * counts as stalled.
   */
  get stalled(): string | undefined {
    if (this.#isStopped) return undefined;
    const wanted = reportsIn(this.#options.state);
    const hasStalled = (schedule: ReportSchedule) => !schedule.isRunning || schedule.isStalled;
    const names = [
      wanted !== 'none' && hasStalled(this.#heartbeats) ? 'heartbeats' : [],
      wanted === 'all' && hasStalled(this.#info) ? 'information' : [],
      wanted === 'all' && hasStalled(this.#resources) ? 'resources' : [],
    ].flat();
    return names.join(', ') || undefined;
  }

  /** How late the heartbeats were. */
  get heartbeatLateness(): Lateness {
    return this.#heartbeats.lateness;
  }

  stop(): void {
    this.#isStopped = true;
    this.#reconnectTimer?.cancel();
    for (const schedule of [this.#heartbeats, this.#info, this.#resources]) schedule.stop();
  }

  async #sendInfo(): Promise<void> {
    const { client, state, registration } = this.#options;
    const { session } = state;
    try {
      registration.applyAnswer(await client.sendInfo('UpdateNodeInfo/v1'), session, 'information');
    } catch (error) {
      this.#logUnanswered('UpdateNodeInfo/v1', error);
    }
  }

  async #sendResources(): Promise<void> {
    const { client, state, registration } = this.#options;
    const { session } = state;
    try {
      const answer = client.updateResources();
      // The sample may have found that a condition or a GPU changed.
      this.sendInfoIfChanged();
      registration.applyAnswer(await answer, session, 'resources');
    } catch (error) {
      this.#logUnanswered('UpdateResources/v1', error);
    }
  }

  #logUnanswered(method: ManagementMethod, error: unknown): void {
    if (this.#isStopped) return;
    const { node, limitedLog } = this.#options;
    const subject = managementSubject(node, method);
    const fields = { node, subject, err: error };
    limitedLog.warn(`${subject} ${reasonOf(error)}`, fields, 'a report was not answered');
  }
}

/** Returns which reports a node sends in this state. A rejected node sends only heartbeats. */
export function reportsIn(state: Readonly<RegistrationState>): 'all' | 'heartbeats' | 'none' {
  if (isShutOut(state)) return 'none';
  if (isAccepted(state.phase)) return 'all';
  // An orchestrator of Bacalhau gives no session, and logs an error for each heartbeat of a node that is rejected.
  return state.phase === 'rejected' && state.session ? 'heartbeats' : 'none';
}
