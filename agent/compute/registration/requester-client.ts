// Sends this node's requests to its requester, and remembers what the answers say about the requester.
import { type Answer, type AnsweringRequester, answerSchema } from '../../protocol/answers.ts';
import { parseJson, writeJson } from '../../protocol/json.ts';
import type { RotateKeyRequest } from '../../protocol/key-rotation.ts';
import type {
  LeaveRequest,
  RegisterRequest,
  Sender,
  UpdateResourcesRequest,
} from '../../protocol/messages.ts';
import { type Refusal, readRefusal } from '../../protocol/refusal.ts';
import { validate } from '../../protocol/schema.ts';
import { type ManagementMethod, managementSubject, whySubject } from '../../protocol/subjects.ts';
import type { Clock } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import type { Random } from '../../system/random.ts';
import { version } from '../../system/version.ts';
import { BrokerError, type Connection } from '../../transport/port.ts';
import type { Orchestrator } from '../orchestrator/orchestrator.ts';
import type { MachineSurvey } from '../survey/survey.ts';
import { OtherBroker } from './other-broker.ts';
import type { RegistrationState } from './state.ts';

/** The settings that the requester also has. The agent warns when the requester has other values. */
export interface HeartbeatSettings {
  readonly heartbeatTopic: string;
  /** Time between two heartbeats, in milliseconds. */
  readonly heartbeatFrequency: number;
}

export interface RequesterClientOptions {
  node: string;
  /** The node's public key, which changes when the node exchanges it. */
  key: string;
  /** A random value, made at the start of this process. It is sent with the boot id in every request. */
  instance: string;
  survey: Pick<MachineSurvey, 'bootId' | 'info' | 'infoChanges' | 'sample'>;
  /** Says what runs on this machine. */
  busyFile: { look(): Promise<number | undefined> };
  connection: Pick<Connection, 'request' | 'moveOn'>;
  state: Readonly<RegistrationState>;
  orchestrator: Pick<Orchestrator, 'onAnswer' | 'onConnectionLost'>;
  settings: HeartbeatSettings;
  clock: Clock;
  random: Random;
  log: Log;
  /** The CAs that this node trusts; undefined when the settings name them, or other credentials open its connections. */
  authorities?: KeptAuthorities | undefined;
}

/** The CAs that a node has on its disk, by their pins. */
export interface KeptAuthorities {
  readonly keptPins: readonly string[] | undefined;
  /** Keeps exactly these. Resolves with true when that changed something. */
  onValidPins(cluster: string, pins: readonly string[]): Promise<boolean>;
}

/** How long a requester has given no answer that could be read. */
export interface RequesterSilence {
  readonly ms: number;
  /** Why the last request got no answer: a BrokerError, or a ProtocolError for an answer that cannot be read. */
  readonly failure: Error;
}

const answerTimeoutMs = 5_000;
/** The default of `requester.nodeDisconnectedAfter`, for a requester that does not name its own value. */
const defaultAllowedSilenceMs = 45_000;
/**
 * Time that the answer to a leave request may take, in milliseconds. It is a part of the time that an agent has to stop.
 */
export const leaveTimeoutMs = 700;

/**
 * Sends the requests. Each method throws BrokerError when no answer comes in time, and ProtocolError when the answer
 * cannot be read.
 */
export class RequesterClient {
  readonly #options: RequesterClientOptions;
  readonly #otherBroker: OtherBroker;
  /** Called when the broker does not permit a request of this node. The agent sets it. */
  onNotPermitted: () => void = () => undefined;
  /** Called when other CAs than before are on the disk. The agent sets it. */
  onAuthoritiesKept: () => void = () => undefined;
  #isMuster = false;
  #lastAcknowledged: Date | undefined;
  #hasAnswered = false;
  /** Time from which the silence of the requester is counted, in monotonic milliseconds. */
  #silentSince: number;
  /** The error of the last request; undefined when it was answered. */
  #failure: Error | undefined;
  #allowedSilenceMs = defaultAllowedSilenceMs;
  #loggedDifferences = '';
  /** The value of the survey's `infoChanges` when the information was last sent. */
  #sentInfoChanges = -1;
  /** Number of registrations that this process has sent. */
  #attempts = 0;

  constructor(options: RequesterClientOptions) {
    this.#options = options;
    this.#otherBroker = new OtherBroker(options);
    this.#silentSince = options.clock.monotonic();
  }

  /** Whether the last answer came from a muster requester. A Bacalhau requester does not know the leave request. */
  get isMuster(): boolean {
    return this.#isMuster;
  }

  /** Time when a request was last carried out, by the wall clock. */
  get lastAcknowledged(): Date | undefined {
    return this.#lastAcknowledged;
  }

  /** Whether the requester has answered since the connection was lost. Before, nobody knows what it decided meanwhile. */
  get hasAnswered(): boolean {
    return this.#hasAnswered;
  }

  /** Notes that the connection was lost. The agent calls it. */
  onConnectionLost(): void {
    this.#hasAnswered = false;
    this.#options.orchestrator.onConnectionLost();
  }

  /** Time since the last answer, in milliseconds, and why the last request got none; undefined when it got one. */
  get silence(): RequesterSilence | undefined {
    const failure = this.#failure;
    return failure && { ms: this.#options.clock.monotonic() - this.#silentSince, failure };
  }

  /** The longest silence that the requester allows its nodes, in milliseconds. */
  get allowedSilenceMs(): number {
    return this.#allowedSilenceMs;
  }

  /** Counts the silence of the requester from now on, because it could not be heard before. The agent calls it. */
  restartSilence(): void {
    this.#silentSince = this.#options.clock.monotonic();
    this.#failure = undefined;
  }

  /** Whether the node's information has changed since it was last sent. */
  get isInfoOutdated(): boolean {
    return this.#options.survey.infoChanges !== this.#sentInfoChanges;
  }

  /** Registers this node or updates its information. Both requests have the same form. */
  async sendInfo(method: 'RegisterNode/v1' | 'UpdateNodeInfo/v1'): Promise<Answer> {
    const { survey, authorities } = this.#options;
    this.#sentInfoChanges = survey.infoChanges;
    const Authorities = authorities?.keptPins;
    const Muster = {
      ...this.#sender(),
      ...(method === 'RegisterNode/v1' ? { Attempt: ++this.#attempts } : {}),
      ...(Authorities ? { Authorities: [...Authorities] } : {}),
    };
    const answer = await this.#request(method, { Info: survey.info(), Muster } satisfies RegisterRequest);
    void this.#keepAuthorities(answer);
    return answer;
  }

  // The requester waits until each node has the next CA, so it is told at once that this one has it.
  async #keepAuthorities({ accepted, muster }: Answer): Promise<void> {
    const { authorities } = this.#options;
    if (!accepted || !muster?.ClusterID || !muster.Authorities) return;
    if (await authorities?.onValidPins(muster.ClusterID, muster.Authorities)) this.onAuthoritiesKept();
  }

  async updateResources(): Promise<Answer> {
    const { available, usage } = this.#options.survey.sample();
    const running = await this.#options.busyFile.look();
    return this.#request('UpdateResources/v1', {
      NodeID: this.#options.node,
      AvailableCapacity: available,
      QueueUsedCapacity: {},
      Usage: usage,
      ...(running === undefined ? {} : { RunningExecutions: running }),
      Muster: this.#sender(),
    } satisfies UpdateResourcesRequest);
  }

  /** Asks the requester to take a new key in place of the present one. `signature` is that of the new key. */
  async rotateKey(key: string, signature: string): Promise<Answer> {
    const { node } = this.#options;
    const body = { NodeID: node, Key: key, Signature: signature, Muster: this.#sender() };
    return this.#request('RotateKey/v1', body satisfies RotateKeyRequest);
  }

  /** Asks why this node's key was refused; undefined when the requester knows no reason. */
  async whyRefused(): Promise<Refusal | undefined> {
    const { connection, key } = this.#options;
    const { data } = await connection.request(whySubject(key), '', answerTimeoutMs);
    return readRefusal(data);
  }

  leave(reason: string): Promise<Answer> {
    const body: LeaveRequest = { NodeID: this.#options.node, Reason: reason, Muster: this.#sender() };
    return this.#request('Leave/v1', body, leaveTimeoutMs);
  }

  async #request(method: ManagementMethod, body: unknown, timeoutMs = answerTimeoutMs): Promise<Answer> {
    const { connection, node, clock, orchestrator } = this.#options;
    const answer = await connection
      .request(managementSubject(node, method), writeJson(body), timeoutMs)
      .then(({ data }) => validate(answerSchema, parseJson(data)))
      .catch((error: Error) => {
        this.#failure = error;
        if (error instanceof BrokerError && error.fault === 'not_permitted') this.onNotPermitted();
        if (method !== 'Leave/v1') this.#otherBroker.onNoAnswer(error, clock.monotonic() - this.#silentSince);
        throw error;
      });
    this.restartSilence();
    this.#otherBroker.onAnswer(answer);
    orchestrator.onAnswer(method, answer);
    this.#hasAnswered = true;
    // Both kinds of requester can refuse without the member `Muster`, so such a refusal does not show the kind.
    if (answer.accepted || answer.muster) this.#isMuster = answer.muster !== undefined;
    if (answer.accepted) this.#lastAcknowledged = clock.now();
    if (answer.muster) this.#logDifferences(answer.muster);
    this.#allowedSilenceMs = answer.muster?.NodeDisconnectedAfter || defaultAllowedSilenceMs;
    return answer;
  }

  #sender(): Sender {
    const { state, instance, survey } = this.#options;
    return {
      Version: version,
      ClusterID: state.cluster || undefined,
      Session: state.session || undefined,
      Instance: instance,
      BootID: survey.bootId,
    };
  }

  // Warns of settings that differ from the requester's, each once. With other settings, a requester may count a healthy node
  // as silent.
  #logDifferences(requester: AnsweringRequester): void {
    const { settings, log } = this.#options;
    const text = settingDifferences(settings, requester).join('; ');
    if (text && text !== this.#loggedDifferences) log.warn({}, text);
    this.#loggedDifferences = text;
  }
}

function settingDifferences(ours: HeartbeatSettings, requester: AnsweringRequester): string[] {
  const { HeartbeatTopic: topic = ours.heartbeatTopic, NodeDisconnectedAfter: limit } = requester;
  const differences: string[] = [];
  if (topic !== ours.heartbeatTopic) {
    differences.push(
      `compute.heartbeatTopic is ${ours.heartbeatTopic}, but the requester listens on ${topic}`,
    );
  }
  if (limit !== undefined && ours.heartbeatFrequency * 2 > limit) {
    differences.push(
      `compute.heartbeatFrequency is ${ours.heartbeatFrequency} ms, and the requester calls a node UNHEALTHY after ${limit} ms: one lost heartbeat is enough`,
    );
  }
  return differences;
}
