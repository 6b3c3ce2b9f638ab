// The agent role put together: registration and the three reports over one connection to the broker.
import type { Answer } from '../protocol/answers.ts';
import { encodeHeartbeat, encodePlainHeartbeat } from '../protocol/heartbeat.ts';
import type { Sender } from '../protocol/messages.ts';
import type { NodeCondition, NodeInfo } from '../protocol/node-info.ts';
import { eventWildcard, heartbeatSubject, isEnveloped, managementSubject } from '../protocol/subjects.ts';
import type { Clock, Timer } from '../system/clock.ts';
import { reasonOf } from '../system/errors.ts';
import { type LimitedLog, limitedLog } from '../system/limited-log.ts';
import type { Log } from '../system/log.ts';
import type { Random } from '../system/random.ts';
import { version } from '../system/version.ts';
import type { Connection, Subscription } from '../transport/port.ts';
import type { Identity } from './registration/identity.ts';
import { Questions } from './registration/questions.ts';
import { isReporting, type Phase, Registration, type Standing } from './registration/registration.ts';
import { readSentinel, voidSentinel, writeSentinel } from './registration/sentinel.ts';
import { Report } from './reports/report.ts';
import type { Availability } from './survey/survey.ts';

/** Milliseconds; read anew at each use, so that a reload takes effect. */
export interface ComputeSettings {
  infoUpdateFrequency: number;
  resourceUpdateFrequency: number;
  heartbeatFrequency: number;
  heartbeatTopic: string;
  rejoinAfterDelete: boolean;
}

/** What the agent needs to know of its machine. */
export interface MachineReader {
  readonly bootId: string | undefined;
  sample(): Availability;
  info(): NodeInfo;
  /** True when it found something new. Never throws. */
  takeInventory(): Promise<boolean>;
  /** Looks for GPUs; `all` asks every source. True when it found something new. Never throws. */
  look(all?: boolean): Promise<boolean>;
}

export interface AgentOptions {
  node: string;
  identity: Pick<Identity, 'publicKey' | 'fingerprint'>;
  /** The agent's own folder. */
  folder: string;
  settings(): ComputeSettings;
  connection: Connection;
  machine: MachineReader;
  clock: Clock;
  random: Random;
  log: Log;
  pid: number;
  /** Something that `status` tells has changed. */
  changed?(): void;
}

export interface AgentStatus {
  role: 'agent';
  node: string;
  version: string;
  pid: number;
  state: Phase;
  reason?: string | undefined;
  fingerprint: string;
  cluster?: string | undefined;
  requester?: string | undefined;
  broker: string;
  /** Wall clock, RFC 3339. */
  lastHeartbeat?: string | undefined;
  heartbeats: number;
  /** The newest answer to a report that was carried out. */
  lastAcknowledged?: string | undefined;
  /** What is wrong with this node now. */
  conditions?: readonly NodeCondition[] | undefined;
}

/** The events that tell of an operator's decision; what this node did itself it knows. */
const decisions = /\.(approved|rejected|deleted)$/;
/** Milliseconds between two inventories. */
const inventoryInterval = 3_600_000;
/** And between two looks for GPUs. */
const gpuInterval = 300_000;
/** Milliseconds in which a fleet that lost its broker reports again, spread out. */
const returnSpread = 1_000;
/** Milliseconds between two questions that events lead to. */
const nudgeInterval = 1_000;

export class Agent {
  readonly #options: AgentOptions;
  readonly #instance: string;
  readonly #questions: Questions;
  readonly #registration: Registration;
  readonly #heartbeat: Report;
  readonly #info: Report;
  readonly #resources: Report;
  readonly #limitedLog: LimitedLog;
  readonly #subscriptions: Subscription[] = [];
  readonly #timers = new Map<string, Timer>();
  #running: Promise<void> | undefined;
  #sequence = 0;
  #lastHeartbeat: string | undefined;
  #connectedBefore = false;
  #nudgedAt = Number.NEGATIVE_INFINITY;
  #stopped = false;

  constructor(options: AgentOptions) {
    const { clock, random, log, node, folder, identity, connection, machine, settings } = options;
    this.#options = options;
    this.#instance = random.uuid();
    this.#limitedLog = limitedLog(log, clock);
    this.#questions = new Questions({ node, connection, clock, log, settings, sender: () => this.#sender() });
    this.#registration = new Registration({
      clock,
      random,
      log,
      node,
      key: identity.publicKey,
      connected: signal => connection.connected(signal),
      ask: async kind => {
        const info = machine.info();
        return kind === 'register' ? this.#questions.register(info) : this.#questions.updateInfo(info);
      },
      rejoinAfterDelete: () => settings().rejoinAfterDelete,
      readSentinel: () => readSentinel(folder, node, identity.publicKey),
      writeSentinel: sentinel => writeSentinel(folder, sentinel),
      voidSentinel: () => voidSentinel(folder, node),
      changed: standing => this.#standingChanged(standing),
    });
    const every = (key: 'heartbeatFrequency' | 'infoUpdateFrequency' | 'resourceUpdateFrequency') => () =>
      settings()[key];
    const report = { clock, random };
    this.#heartbeat = new Report({
      ...report,
      interval: every('heartbeatFrequency'),
      send: async () => this.#beat(),
    });
    this.#info = new Report({
      ...report,
      interval: every('infoUpdateFrequency'),
      send: () =>
        this.#report(managementSubject(node, 'UpdateNodeInfo/v1'), async () =>
          this.#questions.updateInfo(machine.info()),
        ),
    });
    this.#resources = new Report({
      ...report,
      interval: every('resourceUpdateFrequency'),
      send: () =>
        this.#report(managementSubject(node, 'UpdateResources/v1'), async () => {
          const { available, usage, news } = machine.sample();
          if (news && this.#info.running) this.#info.now();
          return this.#questions.updateResources({ AvailableCapacity: available, Usage: usage });
        }),
    });
  }

  start(): void {
    const { connection, node, log, identity } = this.#options;
    log.info({ node, fingerprint: identity.fingerprint }, 'the agent starts');
    this.#subscriptions.push(
      connection.onState(state => {
        if (state.kind === 'connected') this.#connected();
      }),
      connection.subscribe(eventWildcard(node), ({ subject }) => {
        if (decisions.test(subject)) this.#nudge();
      }),
    );
    if (connection.state.kind === 'connected') this.#connectedBefore = true;
    this.#running = this.#registration.run();
  }

  /** Ends the reports and says goodbye. The connection stays the caller's. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers.values()) timer.cancel();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    const { phase } = this.#registration.standing;
    this.#registration.stop();
    for (const report of [this.#heartbeat, this.#info, this.#resources]) report.stop();
    if (this.#questions.toMuster && reportsOf(phase) !== 'none') await this.#leave();
    await this.#running;
  }

  /** By hand: registers anew, a deleted node too. */
  register(): void {
    this.#registration.register();
  }

  /** Settings have changed: new intervals, a new offer, and a deleted node comes back. */
  reload(): void {
    for (const report of [this.#heartbeat, this.#info, this.#resources]) report.reschedule();
    if (this.#registration.standing.phase === 'deleted') this.#registration.register();
    else if (this.#info.running) this.#info.now();
    void this.#tellNews('the look for GPUs', () => this.#look(true));
  }

  /** The reports that should go on and do not; undefined while all of them are on schedule. A broker that is away stalls none. */
  get stalled(): string | undefined {
    const runs = reportsOf(this.#registration.standing.phase);
    const dead = (report: Report, wanted: boolean) => wanted && (!report.running || report.stalled);
    const names = [
      dead(this.#heartbeat, runs !== 'none') ? 'heartbeats' : [],
      dead(this.#info, runs === 'all') ? 'information' : [],
      dead(this.#resources, runs === 'all') ? 'resources' : [],
    ].flat();
    return names.length && !this.#stopped ? names.join(', ') : undefined;
  }

  status(): AgentStatus {
    const { node, identity, connection, machine, pid } = this.#options;
    const { phase, reason, cluster, requester } = this.#registration.standing;
    const state = connection.state;
    return {
      role: 'agent',
      node,
      version,
      pid,
      state: phase,
      reason: reason || undefined,
      fingerprint: identity.fingerprint,
      cluster: cluster || undefined,
      requester: requester || undefined,
      broker:
        state.kind === 'connected'
          ? `connected to ${state.server}`
          : state.kind === 'disconnected'
            ? state.reason
            : state.kind,
      lastHeartbeat: this.#lastHeartbeat,
      heartbeats: this.#sequence,
      lastAcknowledged: this.#questions.lastAcknowledged,
      conditions: machine.info().Conditions,
    };
  }

  #standingChanged({ phase }: Standing): void {
    const runs = reportsOf(phase);
    if (runs === 'none') this.#heartbeat.stop();
    else this.#heartbeat.start('now');
    if (runs === 'all') {
      // Whoever is accepted has just sent its information.
      this.#info.start('later');
      this.#resources.start('now');
    } else {
      this.#info.stop();
      this.#resources.stop();
    }
    this.#options.changed?.();
  }

  // A fleet that lost its broker comes back at once, but not in one instant.
  #connected(): void {
    const again = this.#connectedBefore;
    this.#connectedBefore = true;
    if (!again) return;
    const { random } = this.#options;
    this.#after('return', random.fraction() * returnSpread, () => {
      for (const report of [this.#heartbeat, this.#resources]) if (report.running) report.now();
    });
  }

  // Somebody published an event on this node's subject: a reason to ask, no more, and not more than once a second.
  #nudge(): void {
    if (this.#timers.has('nudge')) return;
    const { clock } = this.#options;
    this.#after('nudge', Math.max(0, this.#nudgedAt + nudgeInterval - clock.monotonic()), () => {
      this.#timers.delete('nudge');
      this.#nudgedAt = clock.monotonic();
      this.#registration.nudge();
    });
  }

  #beat(): void {
    const { connection, node, settings, clock } = this.#options;
    const { heartbeatTopic } = settings();
    const beat = { NodeID: node, Sequence: this.#sequence + 1 };
    const data = isEnveloped(heartbeatTopic)
      ? encodeHeartbeat(beat, this.#registration.standing.session || undefined, clock.now())
      : encodePlainHeartbeat(beat);
    if (!connection.publish(heartbeatSubject(heartbeatTopic, node), data)) return;
    this.#sequence++;
    this.#lastHeartbeat = clock.now().toISOString();
    if (this.#timers.has('the inventory')) return;
    const { machine } = this.#options;
    this.#keepLooking('the inventory', inventoryInterval, () => machine.takeInventory());
    this.#keepLooking('the look for GPUs', gpuInterval, () => this.#look());
  }

  // The first look follows the first heartbeat: a slow tool must not delay the sign of life. One that hangs is not joined
  // by a second.
  #keepLooking(name: string, every: number, look: () => Promise<boolean>): void {
    let looking = false;
    const turn = () => {
      this.#after(name, every, turn);
      if (looking) return;
      looking = true;
      void this.#tellNews(name, look).finally(() => {
        looking = false;
      });
    };
    this.#after(name, 0, turn);
  }

  // What is free changes too, with the GPUs or, by hand, with another offer: a requester of ours takes it from the resources
  // alone. Once, as a sample that follows another at once knows nothing of the CPU.
  async #look(all = false): Promise<boolean> {
    const news = await this.#options.machine.look(all);
    if ((news || all) && this.#resources.running) this.#resources.now();
    return news;
  }

  async #tellNews(name: string, look: () => Promise<boolean>): Promise<void> {
    try {
      if ((await look()) && this.#info.running) this.#info.now();
    } catch (error) {
      this.#options.log.error({ err: error }, `${name} failed`);
    }
  }

  async #report(subject: string, ask: () => Promise<Answer>): Promise<void> {
    const { node } = this.#options;
    const { session } = this.#registration.standing;
    try {
      this.#registration.heard(await ask(), session);
    } catch (error) {
      if (this.#stopped) return;
      const key = `${subject} ${reasonOf(error)}`;
      this.#limitedLog.warn(key, { node, subject, err: error }, 'a report was not answered');
    }
  }

  #sender(): Sender {
    const { session, cluster } = this.#registration.standing;
    return {
      Version: version,
      ClusterID: cluster || undefined,
      Session: session || undefined,
      Instance: this.#instance,
      BootID: this.#options.machine.bootId,
    };
  }

  async #leave(): Promise<void> {
    const { node, connection, log } = this.#options;
    if (connection.state.kind !== 'connected') return;
    try {
      await this.#questions.leave('the agent was stopped');
    } catch (error) {
      log.debug({ node, err: error }, 'nobody answered our leaving');
    }
  }

  #after(name: string, wait: number, fn: () => void): void {
    this.#timers.get(name)?.cancel();
    this.#timers.set(name, this.#options.clock.after(wait, fn));
  }
}

/** Which reports a node sends in each phase: one that is rejected only shows that it is alive. */
function reportsOf(phase: Phase): 'all' | 'heartbeats' | 'none' {
  if (isReporting(phase)) return 'all';
  return phase === 'rejected' ? 'heartbeats' : 'none';
}
