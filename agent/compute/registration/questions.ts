// What the agent asks its requester, and what it learns from any answer beside the answer itself.
import { type Answer, type AnsweringRequester, answerSchema } from '../../protocol/answers.ts';
import { parseJson, writeJson } from '../../protocol/json.ts';
import type {
  LeaveRequest,
  RegisterRequest,
  Sender,
  UpdateResourcesRequest,
} from '../../protocol/messages.ts';
import { validate } from '../../protocol/schema.ts';
import { type ManagementMethod, managementSubject } from '../../protocol/subjects.ts';
import type { Clock } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import type { Connection } from '../../transport/port.ts';

export interface QuestionsOptions {
  node: string;
  connection: Connection;
  clock: Clock;
  log: Log;
  /** Who speaks: sent with every question. */
  sender(): Sender;
  settings(): { heartbeatTopic: string; heartbeatFrequency: number };
}

/** Milliseconds to wait for an answer; and for the answer to our leaving. */
const answerTimeout = 5_000;
const leaveTimeout = 700;

/** All of them throw BrokerError when nobody answers, ProtocolError when the answer is none. */
export class Questions {
  readonly #options: QuestionsOptions;
  #muster = false;
  #lastAcknowledged: string | undefined;
  #warned = '';

  constructor(options: QuestionsOptions) {
    this.#options = options;
  }

  /** Whether a muster requester answered last: Bacalhau's knows no Leave. */
  get toMuster(): boolean {
    return this.#muster;
  }

  /** When a question was last carried out: wall clock, RFC 3339. */
  get lastAcknowledged(): string | undefined {
    return this.#lastAcknowledged;
  }

  register(info: RegisterRequest['Info']): Promise<Answer> {
    return this.#ask('RegisterNode/v1', {
      Info: info,
      Muster: this.#options.sender(),
    } satisfies RegisterRequest);
  }

  updateInfo(info: RegisterRequest['Info']): Promise<Answer> {
    return this.#ask('UpdateNodeInfo/v1', {
      Info: info,
      Muster: this.#options.sender(),
    } satisfies RegisterRequest);
  }

  updateResources(resources: Pick<UpdateResourcesRequest, 'AvailableCapacity' | 'Usage'>): Promise<Answer> {
    const { node, sender } = this.#options;
    const body: UpdateResourcesRequest = {
      NodeID: node,
      AvailableCapacity: resources.AvailableCapacity,
      QueueUsedCapacity: {},
      Usage: resources.Usage,
      Muster: sender(),
    };
    return this.#ask('UpdateResources/v1', body);
  }

  leave(reason: string): Promise<Answer> {
    const { node, sender } = this.#options;
    const body: LeaveRequest = { NodeID: node, Reason: reason, Muster: sender() };
    return this.#ask('Leave/v1', body, leaveTimeout);
  }

  async #ask(method: ManagementMethod, body: unknown, timeout = answerTimeout): Promise<Answer> {
    const { connection, node, clock } = this.#options;
    const message = await connection.request(managementSubject(node, method), writeJson(body), timeout);
    const answer = validate(answerSchema, parseJson(message.data));
    // A refusal without our member may come from either kind: it changes nothing.
    if (answer.accepted || answer.muster) this.#muster = answer.muster !== undefined;
    if (answer.accepted) this.#lastAcknowledged = clock.now().toISOString();
    if (answer.muster) this.#compare(answer.muster);
    return answer;
  }

  // An agent set otherwise than its requester looks dead to it: worth a line, once per difference.
  #compare(muster: AnsweringRequester): void {
    const text = differences(this.#options.settings(), muster).join('; ');
    if (text && text !== this.#warned) this.#options.log.warn({}, text);
    this.#warned = text;
  }
}

function differences(ours: ReturnType<QuestionsOptions['settings']>, muster: AnsweringRequester): string[] {
  const { HeartbeatTopic: topic = ours.heartbeatTopic, NodeDisconnectedAfter: limit } = muster;
  const found: string[] = [];
  if (topic !== ours.heartbeatTopic) {
    found.push(`compute.heartbeatTopic is ${ours.heartbeatTopic}, the requester listens on ${topic}`);
  }
  if (limit !== undefined && ours.heartbeatFrequency * 2 > limit) {
    found.push(
      `compute.heartbeatFrequency is ${ours.heartbeatFrequency} ms, the requester calls a node UNHEALTHY after ${limit} ms: one lost heartbeat is enough`,
    );
  }
  return found;
}
