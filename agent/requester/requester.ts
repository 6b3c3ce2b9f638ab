// The requester waits for the broker, opens its parts, and sends its last events when it stops.
import type { Metric } from '../output/metrics.ts';
import type { AccountKeys } from '../protocol/account-keys.ts';
import type { CalloutQuestion } from '../protocol/callout.ts';
import type { NodeInfo } from '../protocol/node-info.ts';
import type { SigningKey } from '../protocol/signed-token.ts';
import type { SubjectTemplates } from '../protocol/subject-template.ts';
import type { tombstoneLimits } from '../protocol/tombstone.ts';
import { isTrialName } from '../protocol/trial-name.ts';
import { type Clock, endsWithin } from '../system/clock.ts';
import { MusterError } from '../system/errors.ts';
import type { Log } from '../system/log.ts';
import type { Random } from '../system/random.ts';
import { version } from '../system/version.ts';
import type { BrokerError, Connection, StreamReplicas } from '../transport/port.ts';
import type { AuthorityRotation } from './authorities/authority-rotation.ts';
import type { CertificateNews } from './authorities/certificate-news.ts';
import { retryOnBrokerError } from './cluster/retry.ts';
import { collectStatus, type OwnBroker } from './collect-status.ts';
import type { Directory } from './directory/directory.ts';
import { NodeDirectory } from './directory/node-directory.ts';
import { BrokerServers } from './enrolment/broker-servers.ts';
import { Callout } from './enrolment/callout.ts';
import type { CalloutBox } from './enrolment/callout-box.ts';
import type { BrokerAddresses } from './enrolment/join-code-desk.ts';
import { OwnNats, type OwnNatsOptions } from './enrolment/own-nats.ts';
import type { ClientTokens } from './enrolment/token-clients.ts';
import { eventStreamConfig } from './events/stream-config.ts';
import type { FreezeFollower } from './freeze/freeze-follower.ts';
import type { Ledger } from './ledger/ledger.ts';
import type { StoreMark } from './ledger/store-mark.ts';
import { MadeStreams } from './made-streams.ts';
import type { PartsSettings } from './make-parts.ts';
import { countNodes } from './metrics/node-counts.ts';
import { requesterMetrics } from './metrics/requester-metrics.ts';
import type { FirstTokenFile } from './operators/first-token-file.ts';
import { openParts, type Parts } from './parts.ts';
import type { RollPolicy } from './roll/admission.ts';
import { type Counters, newCounters } from './status/counters.ts';
import { ReplicaWatch } from './status/replica-watch.ts';
import type { CertificateEnd, RequesterStatus } from './status/requester-status.ts';
import { type StoreFailure, StoreWatch } from './status/store-watch.ts';
import { storedStreams } from './stored-streams.ts';
import type { Peers } from './watcher/peers.ts';

export interface RequesterSettings extends PartsSettings, RollPolicy {}

export interface RequesterOptions {
  self: NodeInfo;
  settings: RequesterSettings;
  connection: Connection;
  clock: Clock;
  random: Random;
  log: Log;
  host: string;
  pid: number;
  /** The key that signs who is let in to the requester's own broker; absent when it uses another one. */
  issuer?: SigningKey | undefined;
  /** Decrypts what that broker asks when further requesters use it; absent when it asks in the clear. */
  calloutBox?: CalloutBox | undefined;
  /** What a NATS of one's own needs; absent when the requester has its own broker, or its keys are not checked. */
  ownNats?: OwnNatsOptions | undefined;
  /** The accounts on a NATS with an operator; undefined on any other. */
  accounts?: AccountKeys | undefined;
  /** The tokens of clients of that broker that have no key. */
  tokens?: ClientTokens | undefined;
  /** The subjects that are opened for approved nodes on that broker; without it none are. */
  approved?: SubjectTemplates | undefined;
  /** Returns where new nodes find the broker that asks this requester whom to let in. */
  brokerAddresses?: (() => BrokerAddresses | Promise<BrokerAddresses>) | undefined;
  /** Tells about the requester's own broker; absent when it uses another one. */
  ownBroker?: OwnBroker | undefined;
  /** How many tombstones the store may have, and of which size in all; by default `tombstoneLimits`. */
  tombstones?: typeof tombstoneLimits | undefined;
  /** The public key by which a broker of others knows this requester; undefined when it has its own broker. */
  loginKey?: string | undefined;
  /** The folder of the requester's own broker; undefined when the broker is another one. */
  brokerFolder?: string | undefined;
  /** Keep in the requester's own folder what an older store must not undo, and how far the store was; undefined in tests. */
  ledger?: Ledger | undefined;
  storeMark?: StoreMark | undefined;
  /** The CAs that nodes should trust; undefined when the requester has none of its own. */
  authorities?: AuthorityRotation | undefined;
  /** Tells of the certificates that this requester makes for itself; undefined in tests. */
  certificates?: CertificateNews | undefined;
  /** Returns when the certificates end that this requester shows; without it the status tells of none. */
  certificateEnds?: (() => readonly CertificateEnd[]) | undefined;
  /** The file with the operator's token of this machine; without it none is made. */
  firstToken?: FirstTokenFile | undefined;
  /** Holds writes while the store is copied or moved; undefined in tests. */
  freeze?: FreezeFollower | undefined;
  /** Called when the NATS changed so that this requester may serve it no longer. It answers no more, and the process should end. */
  onLost(error: MusterError): void;
  /** Called when something that `status` shows has changed. */
  onStatusChange?(): void;
}

/** Time that a stop waits until the events are acknowledged, in milliseconds. */
const lastEventsTimeoutMs = 2_000;
/** Time that a stop waits until the last questions are answered, in milliseconds. */
const lastAnswersTimeoutMs = 300;

export class Requester {
  /** The functions for operators. */
  readonly directory: Directory;
  readonly #options: RequesterOptions;
  readonly #instance: string;
  readonly #counters: Counters = newCounters();
  readonly #policy: RollPolicy;
  readonly #stopping = new AbortController();
  #parts: Parts | undefined;
  /** The other requesters, which are known before the parts are there. */
  #peers: Peers | undefined;
  readonly #storeWatch: StoreWatch;
  readonly #replicaWatch: ReplicaWatch;
  readonly #madeStreams: MadeStreams;
  readonly #callout: Callout | undefined;
  readonly #ownNats: OwnNats | undefined;
  #waitingFor = 'the broker';
  /** Why this requester does not serve any more; undefined while it does, and when it was only told to stop. */
  #endedBy: MusterError | undefined;
  /** Why the parts could not be opened at the last attempt. */
  #startFailure: StoreFailure | undefined;

  constructor(options: RequesterOptions) {
    const { self, random, log, settings, issuer, calloutBox: box } = options;
    this.#options = options;
    const servers = new BrokerServers(options.connection, options.clock);
    const isTrial = ({ offers }: CalloutQuestion) =>
      issuer !== undefined && isTrialName(offers.name, offers.key, issuer);
    const own = box && { box, servers, isTrial };
    this.#callout = issuer && new Callout({ ...options, issuer, own });
    const { ownNats } = options;
    this.#ownNats =
      ownNats && new OwnNats({ ...options, ...ownNats, onLost: error => this.#stopServing(error) });
    this.#instance = random.uuid();
    const { manualApproval, maxPending, forgetAfter } = settings;
    this.#policy = { manualApproval, maxPending, forgetAfter };
    const onChange = () => options.onStatusChange?.();
    this.#storeWatch = new StoreWatch(onChange);
    const isFrozen = () => options.freeze?.isFrozen === true;
    this.#madeStreams = new MadeStreams({ log, onChange });
    const onFound = (found: readonly StreamReplicas[]) => void this.#madeStreams.compare(found);
    const watched = { streams: storedStreams, isFrozen, onChange, onFound };
    this.#replicaWatch = new ReplicaWatch({ ...options, ...watched });
    this.directory = new NodeDirectory({
      self,
      clock: options.clock,
      log,
      counters: this.#counters,
      brokerFolder: options.brokerFolder,
      brokerAddresses: () => (this.#trust === 'keys' ? options.brokerAddresses?.() : undefined),
      unverifiedToken: options.tokens?.unverified,
      tokenFile: options.firstToken?.path,
      storeMark: options.storeMark,
      authorities: options.authorities,
      hearsEvents: () =>
        options.connection.state.kind === 'connected' &&
        this.#replicaWatch.faultOf(eventStreamConfig.name) === undefined,
      parts: () => this.#readyParts(),
      status: () => this.status(),
      metrics: () => this.#metrics(),
    });
  }

  /**
   * Waits for the broker without a time limit, reads the store, then answers nodes. @throws MusterError `in_use` when
   * another requester has the id of this one, or the broker is too old for several; `bad_state` or `conflict` for a store
   * that is not ours.
   */
  async start(): Promise<void> {
    const { self, clock, host, pid } = this.#options;
    const { signal } = this.#stopping;
    const open = async () => {
      const since = clock.now().toISOString();
      const callout = this.#ownNats ? await this.#ownNats.settle() : this.#callout;
      const parts = await openParts({
        ...this.#options,
        policy: this.#policy,
        counters: this.#counters,
        storeWatch: this.#storeWatch,
        replicaWatch: this.#replicaWatch,
        madeStreams: this.#madeStreams,
        callout,
        me: { requester: self.NodeID, instance: this.#instance, host, pid, since, version },
        signal,
        onWait: what => {
          this.#waitingFor = what;
        },
        onPeers: peers => {
          this.#peers = peers;
        },
      });
      // The requester may have been stopped while the parts were opened.
      if (signal.aborted) await parts.stop(0);
      else this.#parts = parts;
      this.#startFailure = undefined;
    };
    const onFailure = (error: BrokerError) => {
      this.#waitingFor = `the broker's store: ${error.message}`;
      this.#startFailure = { part: 'the node info store', error };
    };
    const failureText = 'the store cannot be opened yet; trying again';
    await retryOnBrokerError(open, { ...this.#options, signal, failureText, onFailure });
  }

  /**
   * Answers what the broker handed over already, for 300 ms at most, then waits at most 2 s until the waiting events are sent,
   * and gives the lease back. The caller closes the connection.
   */
  async stop(): Promise<void> {
    const { connection, clock } = this.#options;
    // Nobody else gets these questions, and who asked them waits for the answer: a node of Bacalhau for ten seconds.
    if (this.#parts && connection.state.kind === 'connected') {
      const asked = [this.#callout, this.#ownNats].map(each => each?.finish());
      const answered = Promise.all([...asked, this.#parts.finishRequests()]);
      await endsWithin(clock, lastAnswersTimeoutMs, answered);
    }
    this.#stopping.abort();
    this.#callout?.stop();
    this.#ownNats?.stop();
    this.#replicaWatch.stop();
    this.#options.freeze?.stop();
    const isConnected = connection.state.kind === 'connected';
    await this.#parts?.stop(isConnected ? lastEventsTimeoutMs : 0);
  }

  /** Applies the settings that can change while the requester runs. The others need a restart. */
  reload({ manualApproval, maxPending, forgetAfter }: RollPolicy): void {
    Object.assign(this.#policy, { manualApproval, maxPending, forgetAfter } satisfies RollPolicy);
  }

  /** Names what should run but does not; undefined when everything runs in time. */
  get stalled(): string | undefined {
    return this.#parts?.health.stalled ? 'the watch over the nodes' : undefined;
  }

  status(): RequesterStatus {
    return collectStatus({
      ...this.#options,
      parts: this.#parts,
      isStopping: this.#stopping.signal.aborted,
      waitingFor: this.#waitingFor,
      trust: this.#trust,
      storeFailure: this.#startFailure ?? this.#storeWatch.failure,
      replicas: this.#replicaWatch,
      raised: this.#madeStreams.raised,
      stalled: this.stalled,
      counters: this.#counters,
    });
  }

  #metrics(): Metric[] {
    const { roll, health } = this.#parts ?? {};
    return requesterMetrics({
      status: this.status(),
      counts: roll && countNodes(roll.records.list(), id => health?.health(id) ?? 'UNKNOWN'),
      late: health?.late,
      isConnected: this.#options.connection.state.kind === 'connected',
    });
  }

  get #trust(): RequesterStatus['trust'] {
    if (this.#ownNats) return this.#ownNats.trust ?? 'unknown';
    return this.#callout ? 'keys' : 'shared';
  }

  #stopServing(reason: MusterError): void {
    this.#endedBy = reason;
    this.#stopping.abort();
    this.#parts?.silence();
    void this.#parts?.events.stop(0);
    this.#options.onLost(reason);
  }

  #readyParts(): Parts {
    if (this.#parts && !this.#stopping.signal.aborted) return this.#parts;
    const { message, hint } = this.#endedBy ?? {};
    if (message !== undefined) throw this.#notReady(message, hint, this.#endedBy);
    if (this.#parts) throw this.#notReady('the requester is stopping', 'ask it again when it runs');
    throw this.#notReady(
      `the requester is not ready: it waits for ${this.#waitingFor}`,
      'try again in a moment; its log says more',
    );
  }

  /** Returns the error for whoever asks this requester now. It names the other requesters, which would know. */
  #notReady(message: string, hint: string | undefined, cause?: MusterError): MusterError {
    const peers = this.#peers?.list().slice(0, mostNamedPeers) ?? [];
    const others = peers.map(({ requester, host }) => `${requester} on ${host}`);
    const askOthers =
      others.length > 0 ? [`or ask another requester of this roll: ${others.join(', ')}`] : [];
    const todo = [...(hint ? [hint] : []), ...askOthers].join('; ');
    return new MusterError('unreachable', message, { hint: todo || undefined, cause, nothingDone: true });
  }
}

/** Number of other requesters that an error names, so that it stays short. */
const mostNamedPeers = 4;
