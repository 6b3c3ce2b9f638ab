// The agent role connects its parts: the survey, the registration, the reports and the heartbeat.
import type { Metric } from '../output/metrics.ts';
import { isDraining } from '../protocol/cordon.ts';
import type { Clock } from '../system/clock.ts';
import { MusterError } from '../system/errors.ts';
import { limitedLog } from '../system/limited-log.ts';
import type { Log } from '../system/log.ts';
import type { Random } from '../system/random.ts';
import type { StateFile } from '../system/state-file.ts';
import type { Connection, Subscription } from '../transport/port.ts';
import { agentMetrics } from './agent-metrics.ts';
import { type AgentStatus, agentStatus, type BrokerAddresses } from './agent-status.ts';
import { JobRefusals } from './orchestrator/job-refusals.ts';
import { Orchestrator } from './orchestrator/orchestrator.ts';
import { OwnSubjects } from './own-subjects.ts';
import { KeyRotation, type RotationProgress } from './registration/key-rotation.ts';
import type { NodeKey } from './registration/node-key.ts';
import { Registration } from './registration/registration.ts';
import { type KeptAuthorities, leaveTimeoutMs, RequesterClient } from './registration/requester-client.ts';
import { sentinelFile } from './registration/sentinel-file.ts';
import { initialState, isAccepted, type RegistrationState } from './registration/state.ts';
import { FewerServers } from './reports/fewer-servers.ts';
import { Heartbeat } from './reports/heartbeat.ts';
import type { ReportFrequencies } from './reports/report-schedule.ts';
import { Reports, reportsIn } from './reports/reports.ts';
import { BusyFile } from './survey/busy-file.ts';
import { ScanSchedule } from './survey/scan-schedule.ts';
import type { MachineSurvey } from './survey/survey.ts';

/** The agent's settings. The parts read each setting at each use; call `reload` after a change. */
export interface ComputeSettings extends ReportFrequencies {
  /** The topic of the heartbeats. The agent reads it once, at its start. */
  readonly heartbeatTopic: string;
  readonly rejoinAfterDelete: boolean;
  /** The file that a local scheduler keeps while the machine is busy; undefined when there is none. */
  readonly busyFile?: string | undefined;
}

export interface AgentOptions {
  node: string;
  /** The key of the node, which the node may exchange while it runs. */
  identity: Pick<NodeKey, 'publicKey' | 'fingerprint' | 'next' | 'makeNext' | 'promote' | 'drop'>;
  /** A random value, made at the start of this process. */
  instance: string;
  /** Whether the key of the node opens its connections, and not other credentials. */
  connectsByKey: boolean;
  /** The agent's own folder. */
  folder: string;
  settings: ComputeSettings;
  connection: Connection;
  survey: MachineSurvey;
  clock: Clock;
  random: Random;
  log: Log;
  pid: number;
  /** Returns the addresses of its brokers: those that it was told of, and those that it has learned. */
  brokers?(): BrokerAddresses;
  /** The CAs that this node trusts; undefined when the settings name them. */
  authorities?: KeptAuthorities | undefined;
  /** Returns why the figures are not served, although they should be; undefined when they are. */
  metricsFailure?(): MusterError | undefined;
  /**
   * Whether the agent starts, which brings back a node that was deleted. False when it takes the place of an agent under the former
   * id of the node, which would not have brought it back.
   */
  isStart: boolean;
  /**
   * Called when an operator gave this node another id. Returns whether the node goes on under it: then another agent takes the
   * place of this one. Without it, the node takes no other id. @throws MusterError when the id cannot be kept
   */
  onRenamed?(newId: string): Promise<boolean>;
  /** Called when something that `status` shows has changed. */
  onChange?(): void;
}

export class Agent {
  readonly #options: AgentOptions;
  readonly #state: RegistrationState = initialState();
  readonly #client: RequesterClient;
  readonly #busyFile: BusyFile;
  readonly #registration: Registration;
  readonly #rotation: KeyRotation;
  readonly #sentinel: Pick<StateFile<unknown>, 'failure'>;
  readonly #heartbeat: Heartbeat;
  readonly #reports: Reports;
  readonly #fewer: FewerServers;
  readonly #scans: ScanSchedule;
  readonly #subjects: OwnSubjects;
  readonly #orchestrator: Orchestrator;
  readonly #jobs: JobRefusals;
  #stateSubscription: Subscription | undefined;
  #wasConnected = false;
  /** When the drain began that the requester told of last; undefined when it told of none. */
  #drainAt: string | undefined;

  constructor(options: AgentOptions) {
    const { clock, random, log, node, folder, identity, instance, connection, survey, settings } = options;
    const state = this.#state;
    const common = {
      node,
      clock,
      random,
      log,
      limitedLog: limitedLog(log, clock),
      connection,
      settings,
      state,
    };
    const sentinel = sentinelFile({ ...common, folder, key: identity.publicKey });
    const busyFile = new BusyFile({ settings, clock });
    const orchestrator = new Orchestrator({ ...common, survey });
    const jobs = new JobRefusals(common);
    const client = new RequesterClient({
      ...common,
      orchestrator,
      busyFile,
      instance,
      survey,
      authorities: options.authorities,
      get key() {
        return identity.publicKey;
      },
    });
    const rotation = new KeyRotation({ ...common, key: identity, client });
    const registration = new Registration({
      ...common,
      client,
      sentinel,
      isStart: options.isStart,
      onReplaced: refusal => rotation.onRefused(refusal),
      onRenamed: async newId => (await options.onRenamed?.(newId)) ?? false,
      get key() {
        return identity.publicKey;
      },
    });
    const heartbeat = new Heartbeat({ ...common, orchestrator, topic: settings.heartbeatTopic });
    const reports = new Reports({ ...common, heartbeat, client, registration });
    const fewer = new FewerServers({ ...common, ask: () => reports.sendResourcesNow() });
    const scans = new ScanSchedule({ survey, clock, log });
    const subjects = new OwnSubjects(options);

    subjects.onDecision = () => registration.confirm();
    orchestrator.onPresence = () => {
      if (this.#stateSubscription) jobs.listen(orchestrator.isPresent);
    };
    client.onAuthoritiesKept = () => registration.confirm();
    client.onNotPermitted = () => void registration.onNotPermitted();
    rotation.onChanged = () => registration.onKeyChanged();
    registration.onChange = () => {
      reports.followPhase();
      if (isAccepted(state.phase)) rotation.resume();
      this.#followDrain();
      if (state.refusal || state.phase === 'deleted') subjects.stop();
      else if (this.#stateSubscription) subjects.listen();
      options.onChange?.();
    };
    // The slow scans start only after the first heartbeat, so that they cannot delay it.
    heartbeat.onFirst = () => scans.start();
    scans.onInventory = () => reports.sendInfoIfChanged();
    // A scan that an operator asked for, or that found other GPUs, changes the free resources. When they are sent, the
    // information follows.
    scans.onGpuScan = isByHand => {
      if (isByHand || client.isInfoOutdated) reports.sendResourcesNow();
    };

    this.#options = options;
    this.#client = client;
    this.#busyFile = busyFile;
    this.#registration = registration;
    this.#rotation = rotation;
    this.#sentinel = sentinel;
    this.#heartbeat = heartbeat;
    this.#reports = reports;
    this.#fewer = fewer;
    this.#scans = scans;
    this.#subjects = subjects;
    this.#orchestrator = orchestrator;
    this.#jobs = jobs;
  }

  start(): void {
    const { connection, node, log, identity } = this.#options;
    log.info({ node, fingerprint: identity.fingerprint }, 'the agent starts');
    this.#stateSubscription = connection.onState(state => {
      if (state.kind !== 'connected') return this.#client.onConnectionLost();
      this.#client.restartSilence();
      this.#fewer.onNamed();
      if (this.#wasConnected) this.#reports.sendAfterReconnect();
      if (this.#options.connectsByKey || this.#state.refusal) void this.#registration.onConnectedAgain();
      if (this.isAccepted) this.#rotation.resume();
      this.#wasConnected = true;
    });
    this.#subjects.listen();
    this.#wasConnected = connection.state.kind === 'connected';
    this.#fewer.onNamed();
    void this.#registration.start();
  }

  /**
   * Ends the reports, and sends a leave request unless another agent takes the place of this one. The connection stays open: the
   * caller closes it.
   */
  async stop({ leaves = true } = {}): Promise<void> {
    const reports = reportsIn(this.#state);
    this.#stateSubscription?.unsubscribe();
    this.#stateSubscription = undefined;
    this.#subjects.stop();
    this.#jobs.listen(false);
    const saved = this.#registration.stop();
    this.#rotation.stop();
    this.#fewer.stop();
    this.#reports.stop();
    this.#scans.stop();
    if (leaves && reports !== 'none') await this.#leave();
    await saved;
  }

  /** Registers this node again because an operator wants it, even when the node was deleted. */
  register(): void {
    this.#registration.register();
  }

  /** Registers this node with the cluster of a join code that was given to it. */
  join(): void {
    this.#registration.join();
  }

  /**
   * Exchanges the key of this node for a new one. Resolves when the new key is on the disk; `rotation` tells how it goes on.
   * @throws MusterError `conflict` when nobody checks the key of this node now, or when it is refused; as `makeNextIdentity`
   */
  async rotateKey(): Promise<void> {
    if (!this.#options.connectsByKey) throw noKey('it logs in to the broker with other credentials (nats.*)');
    if (this.#state.refusal) throw noKey('the requester refuses the key that it has');
    if (!this.isAccepted) throw noKey('the requester has not accepted this node');
    if (!this.#client.isMuster) throw noKey('the requester is one of Bacalhau, which knows no keys');
    await this.#rotation.begin();
  }

  /** How the last exchange of the key went. */
  get rotation(): RotationProgress {
    return this.#rotation.progress;
  }

  /** Whether the node may come back although an operator deleted it. */
  get mayComeBack(): boolean {
    return this.#registration.mayComeBack;
  }

  /** Notes that the broker names other servers than before. */
  onNamed(): void {
    this.#fewer.onNamed();
  }

  /** Applies changed settings and a changed offer. A deleted node registers again. */
  reload(): void {
    this.#reports.reschedule();
    if (this.#state.phase === 'deleted') this.#registration.register();
    else this.#reports.sendInfoNow();
    this.#scans.scanNow();
  }

  /** Names the reports that should be sent but are not; undefined when there are none. The watchdog reads it. */
  get stalled(): string | undefined {
    return this.#reports.stalled;
  }

  /** Whether a requester has accepted the node, even if it refuses the node's reports now. */
  get isAccepted(): boolean {
    return isAccepted(this.#state.phase);
  }

  status(): AgentStatus {
    const { connection, clock, brokers, metricsFailure } = this.#options;
    return agentStatus({
      ...this.#options,
      state: this.#state,
      connection: connection.state,
      now: clock.monotonic(),
      client: this.#client,
      heartbeat: this.#heartbeat,
      fileFailure: this.#sentinel.failure,
      stalled: this.stalled,
      busyFault: this.#busyFile.fault,
      metricsFailure: metricsFailure?.(),
      brokers: brokers?.(),
    });
  }

  /** Returns the figures for Prometheus. */
  metrics(): Metric[] {
    const isConnected = this.#options.connection.state.kind === 'connected';
    return agentMetrics({ status: this.status(), isConnected, lateness: this.#reports.heartbeatLateness });
  }

  // A requester that drains this node waits for what the node says from now on.
  #followDrain(): void {
    const { At: drainAt } = this.#state.cordon?.Drain ?? {};
    if (drainAt === this.#drainAt) return;
    this.#drainAt = drainAt;
    if (drainAt !== undefined && isDraining(this.#state.cordon)) this.#reports.sendResourcesNow();
  }

  async #leave(): Promise<void> {
    const { node, connection, log } = this.#options;
    if (connection.state.kind !== 'connected') return;
    try {
      if (this.#client.isMuster) await this.#client.leave('the agent was stopped');
      else await this.#orchestrator.sayGoodbye(leaveTimeoutMs);
    } catch (error) {
      log.debug({ node, err: error }, 'the leave request was not answered');
    }
  }
}

const noKey = (why: string): MusterError =>
  new MusterError('conflict', `the key of this node cannot be exchanged: ${why}`, {
    hint: 'see: muster status',
  });
