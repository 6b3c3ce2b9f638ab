// Runs an agent on a fake clock and a fake broker, with real files. The test says what its requester answers.
import assert from 'node:assert/strict';
import { Agent, type ComputeSettings } from '../../agent/compute/agent.ts';
import { inspectSentinel, type Sentinel } from '../../agent/compute/registration/sentinel.ts';
import { type HostDescription, nodeInfo } from '../../agent/compute/survey/node-info.ts';
import type { MachineSurvey } from '../../agent/compute/survey/survey.ts';
import {
  type AnsweringRequester,
  encodeEmptyResponse,
  encodeErrorResponse,
  encodeRegisterResponse,
  reasons,
} from '../../agent/protocol/answers.ts';
import { decodeHeartbeat, type ReceivedHeartbeat } from '../../agent/protocol/heartbeat.ts';
import { parseJson } from '../../agent/protocol/json.ts';
import {
  leaveRequestSchema,
  registerRequestSchema,
  type Sender,
  updateResourcesRequestSchema,
} from '../../agent/protocol/messages.ts';
import type { NodeInfo } from '../../agent/protocol/node-info.ts';
import type { Membership } from '../../agent/protocol/node-state.ts';
import { validate } from '../../agent/protocol/schema.ts';
import {
  defaultHeartbeatTopic,
  eventSubject,
  type ManagementMethod,
  parseManagementSubject,
} from '../../agent/protocol/subjects.ts';
import type { Random } from '../../agent/system/random.ts';
import type { Message } from '../../agent/transport/port.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeBroker, type FakeConnection } from '../support/fake-connection.ts';
import { recordLog } from '../support/log-lines.ts';
import { steadyRandom } from '../support/steady-random.ts';

export const node = 'node-1';
const key = 'NDLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRUM4A';

/** The sentinel of an approved node, as an earlier run left it. */
export const sentinel: Sentinel = {
  version: 1,
  node,
  key,
  cluster: 'c-1',
  requester: 'node-0',
  session: 's-saved',
  membership: 'APPROVED',
  registeredAt: '2025-12-31T00:00:00.000Z',
};

/** A request that the requester received. */
export interface Request {
  method: ManagementMethod;
  at: number;
  sender: Sender | undefined;
  info: NodeInfo | undefined;
}

export interface Beat extends ReceivedHeartbeat {
  at: number;
  subject: string;
  enveloped: boolean;
}

export const answeringRequester = (change: Partial<AnsweringRequester> = {}): AnsweringRequester => ({
  Version: '1',
  ClusterID: 'c-1',
  RequesterID: 'node-0',
  Membership: 'PENDING',
  Session: undefined,
  Code: 'known',
  ...change,
});

/** Returns what a requester answers to one request; undefined when it does not answer. */
export type Reply = (request: Request) => string | undefined;

/** A muster requester that accepts every node, with this membership. */
export const accepting =
  (membership: Membership = 'PENDING', change: Partial<AnsweringRequester> = {}): Reply =>
  ({ method, sender }) => {
    const isNew = method === 'RegisterNode/v1';
    const muster = answeringRequester({
      Membership: membership,
      Session: isNew ? 's-1' : sender?.Session,
      ...change,
    });
    const isVerdict = isNew || method === 'UpdateNodeInfo/v1';
    return isVerdict
      ? encodeRegisterResponse(true, isNew ? reasons.registered : '', muster)
      : encodeEmptyResponse(muster);
  };

/** A muster requester that refuses every request with this code. */
export const refusing =
  (Code: 'rejected' | 'deleted' | 'handshake_required' | 'unavailable'): Reply =>
  ({ method }) => {
    const muster = answeringRequester({ Code, Membership: Code === 'rejected' ? 'REJECTED' : '' });
    if (method !== 'RegisterNode/v1') return encodeErrorResponse(`${Code}, in words`, muster);
    return encodeRegisterResponse(false, `${Code}, in words`, {
      ...muster,
      Session: Code === 'rejected' ? 's-r' : undefined,
    });
  };

/** Bacalhau ≥ 1.6 accepts every node, and its answer contains nothing else. */
export const bacalhau: Reply = ({ method }) =>
  method === 'UpdateResources/v1'
    ? encodeEmptyResponse()
    : encodeRegisterResponse(true, method === 'RegisterNode/v1' ? reasons.registered : '');

export const silent: Reply = () => undefined;

const host: HostDescription = {
  hostname: 'host',
  operatingSystem: 'linux',
  architecture: 'amd64',
  cpus: 4,
  memory: 8_589_934_592,
};

export class AgentBench {
  readonly clock: FakeClock;
  readonly broker: FakeBroker;
  readonly connection: FakeConnection;
  readonly agent: Agent;
  readonly folder: string;
  readonly lines;
  readonly requests: Request[] = [];
  readonly beats: Beat[] = [];
  readonly settings: { -readonly [Name in keyof ComputeSettings]: ComputeSettings[Name] };
  reply: Reply;
  labels: Record<string, string> = {};
  /** The error that reading the machine throws, while it is set. */
  machineFault: Error | undefined;
  /** Takes the next inventory. It resolves with whether the facts changed, or never. */
  inventory: () => Promise<boolean> = async () => false;
  /** The times at which inventories were taken, in milliseconds. */
  inventories: number[] = [];
  readonly scans: { at: number; all: boolean }[] = [];
  /** Makes the next GPU scan. It resolves with whether the GPUs changed, or never. */
  scan: () => Promise<boolean> = async () => false;

  /**
   * `given` replaces what the bench makes itself. A given survey needs the clock that it was made with, so both are given.
   */
  constructor(
    folder: string,
    reply: Reply = accepting(),
    random: Random = steadyRandom(0.5),
    given: {
      clock?: FakeClock;
      survey?: MachineSurvey;
      settings?: Partial<ComputeSettings>;
      connectsByKey?: boolean;
    } = {},
  ) {
    this.clock = given.clock ?? new FakeClock();
    this.broker = new FakeBroker(this.clock);
    this.folder = folder;
    this.reply = reply;
    this.settings = {
      infoUpdateFrequency: 60_000,
      resourceUpdateFrequency: 30_000,
      heartbeatFrequency: 15_000,
      heartbeatTopic: defaultHeartbeatTopic,
      rejoinAfterDelete: false,
      ...given.settings,
    };
    const requester = this.broker.connect();
    requester.subscribe('node.management.>', message => this.#answer(message));
    for (const topic of ['bacalhau.global.compute.*.out.heartbeat', 'heartbeat', 'beats.*'])
      requester.subscribe(topic, message => this.#receiveHeartbeat(message));
    this.connection = this.broker.connect();
    const { log, lines } = recordLog();
    this.lines = lines;
    this.agent = new Agent({
      node,
      identity: {
        publicKey: key,
        fingerprint: 'ABCD-EFGH',
        next: undefined,
        makeNext: async () => assert.fail('the key is not exchanged'),
        promote: async () => undefined,
        drop: async () => undefined,
      },
      instance: 'i-1',
      isStart: true,
      connectsByKey: given.connectsByKey ?? true,
      folder,
      settings: this.settings,
      connection: this.connection,
      survey: given.survey ?? this.#fakeSurvey(),
      clock: this.clock,
      random,
      log,
      pid: 7,
    });
  }

  /** Returns the methods of the requests, as `RegisterNode UpdateResources`. */
  get asked(): string {
    return this.requests.map(({ method }) => method.replace('/v1', '')).join(' ');
  }

  /** Forgets requests, heartbeats and log lines. */
  forget(): void {
    this.requests.length = 0;
    this.beats.length = 0;
    this.lines.length = 0;
  }

  /** Counts the requests of `method`. */
  count(method: ManagementMethod): number {
    return this.requests.filter(each => each.method === method).length;
  }

  /** Returns the messages that were logged at `level`. */
  messages(level: string): string[] {
    return this.lines.filter(line => line.level === level).map(line => line.message);
  }

  /** Starts the agent, and waits for its first request. */
  async start(): Promise<void> {
    this.agent.start();
    await this.until('the first request', () => this.requests.length > 0);
    await this.clock.settle();
  }

  /** Starts the agent, and waits until it is in this phase. An acceptance is logged when the sentinel is written. */
  async startTo(phase: string): Promise<void> {
    await this.start();
    await this.until(phase, () => this.agent.status().state === phase);
    const acceptance = /^(pending approval|approved|registered)$/;
    const isAccepted = ['pending', 'approved', 'registered'].includes(phase);
    if (isAccepted) await this.until('logged', () => this.lines.some(line => acceptance.test(line.message)));
  }

  /** Waits for something that needs real time, as files do. The fake clock stands still meanwhile. */
  async until(what: string, condition: () => boolean): Promise<void> {
    for (const end = performance.now() + 10_000; performance.now() < end; ) {
      await this.clock.settle();
      if (condition()) return;
    }
    throw new Error(
      `did not happen: ${what}; the requests were ${this.asked}, the state is ${this.agent.status().state}`,
    );
  }

  /** Reads the sentinel's file. */
  async sentinel(): Promise<Sentinel | undefined> {
    const reading = await inspectSentinel(this.folder, node, key);
    return reading.kind === 'valid' ? reading.sentinel : undefined;
  }

  /** Publishes an event of this node. */
  event(kind: string, data = '{}'): void {
    this.broker.inject(eventSubject(node, kind), data);
  }

  #answer(message: Message): void {
    const target = parseManagementSubject(message.subject);
    if (target?.nodeId !== node) throw new Error(`a request on ${message.subject}`);
    const { method } = target;
    const body = parseJson(message.data);
    let request: Request = { method, at: this.clock.monotonic(), sender: undefined, info: undefined };
    if (method === 'UpdateResources/v1') {
      request = { ...request, sender: validate(updateResourcesRequestSchema, body).Muster };
    } else if (method === 'Leave/v1') {
      request = { ...request, sender: validate(leaveRequestSchema, body).Muster };
    } else {
      const { Info, Muster } = validate(registerRequestSchema, body);
      request = { ...request, sender: Muster, info: Info };
    }
    this.requests.push(request);
    const answer = this.reply(request);
    if (answer !== undefined) message.respond(answer);
  }

  #receiveHeartbeat({ subject, data }: Message): void {
    const enveloped = data[0] === 1;
    this.beats.push({ ...decodeHeartbeat(data), at: this.clock.monotonic(), subject, enveloped });
  }

  #fakeSurvey(): MachineSurvey {
    let infoChanges = 0;
    const read = <T>(value: T): T => {
      if (this.machineFault) throw this.machineFault;
      return value;
    };
    return {
      bootId: 'boot-1',
      conditions: [],
      get infoChanges() {
        return infoChanges;
      },
      sample: () =>
        read({ available: { CPU: 3, Memory: 1024 }, usage: { CPU: 1, Memory: 2048, Disk: 0, Load: 0.5 } }),
      info: () => read(nodeInfo(node, host, { CPU: 4 }, { CPU: 3 }, this.labels)),
      takeInventory: async () => {
        this.inventories.push(this.clock.monotonic());
        if (await this.inventory()) infoChanges++;
        return true;
      },
      scanGpus: async (all = false) => {
        this.scans.push({ at: this.clock.monotonic(), all });
        if (await this.scan()) infoChanges++;
      },
    };
  }
}
