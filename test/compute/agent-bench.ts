// An agent on a fake clock and a fake broker, with real files, in front of a requester that a test scripts.
import { Agent, type ComputeSettings, type MachineReader } from '../../agent/compute/agent.ts';
import { readSentinel, type Sentinel } from '../../agent/compute/registration/sentinel.ts';
import { nodeInfo } from '../../agent/compute/survey/node-info.ts';
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
export const key = 'NDLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRUM4A';

/** A request that came to the requester. */
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

export const answerer = (change: Partial<AnsweringRequester> = {}): AnsweringRequester => ({
  Version: '1',
  ClusterID: 'c-1',
  RequesterID: 'node-0',
  Membership: 'PENDING',
  Session: undefined,
  Code: 'known',
  ...change,
});

/** What a requester answers to one request; undefined: nothing. */
export type Reply = (request: Request) => string | undefined;

/** A requester of ours that accepts everybody, with this membership. */
export const accepting =
  (membership: Membership = 'PENDING', change: Partial<AnsweringRequester> = {}): Reply =>
  ({ method, sender }) => {
    const isNew = method === 'RegisterNode/v1';
    const muster = answerer({ Membership: membership, Session: isNew ? 's-1' : sender?.Session, ...change });
    const isVerdict = isNew || method === 'UpdateNodeInfo/v1';
    return isVerdict
      ? encodeRegisterResponse(true, isNew ? reasons.registered : '', muster)
      : encodeEmptyResponse(muster);
  };

/** A requester of ours that refuses everything with this code. */
export const refusing =
  (Code: 'rejected' | 'deleted' | 'handshake_required' | 'unavailable'): Reply =>
  ({ method }) => {
    const muster = answerer({ Code, Membership: Code === 'rejected' ? 'REJECTED' : '' });
    if (method !== 'RegisterNode/v1') return encodeErrorResponse(`${Code}, in words`, muster);
    return encodeRegisterResponse(false, `${Code}, in words`, {
      ...muster,
      Session: Code === 'rejected' ? 's-r' : undefined,
    });
  };

/** Bacalhau ≥ 1.6 accepts everybody, and says no more. */
export const bacalhau: Reply = ({ method }) =>
  method === 'UpdateResources/v1' ? encodeEmptyResponse() : encodeRegisterResponse(true, '');

export const silent: Reply = () => undefined;

const machine = {
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
  readonly settings: ComputeSettings = {
    infoUpdateFrequency: 60_000,
    resourceUpdateFrequency: 30_000,
    heartbeatFrequency: 15_000,
    heartbeatTopic: defaultHeartbeatTopic,
    rejoinAfterDelete: false,
  };
  reply: Reply;
  labels: Record<string, string> = {};
  /** Set, what the machine is asked for throws. */
  machineFault: Error | undefined;
  /** How the next inventory ends: with something new or not, or never. */
  inventory: () => Promise<boolean> = async () => false;
  inventories: number[] = [];
  readonly looks: { at: number; all: boolean }[] = [];
  /** What a look for GPUs finds: whether anything is new. */
  look: () => Promise<boolean> = async () => false;

  /** `given`: a machine in place of the bench's own, and the clock that it goes by. */
  constructor(
    folder: string,
    reply: Reply = accepting(),
    random: Random = steadyRandom(0.5),
    given: { clock?: FakeClock; machine?: MachineReader } = {},
  ) {
    this.clock = given.clock ?? new FakeClock();
    this.broker = new FakeBroker(this.clock);
    this.folder = folder;
    this.reply = reply;
    const desk = this.broker.connect();
    desk.subscribe('node.management.>', message => this.#take(message));
    for (const topic of ['bacalhau.global.compute.*.out.heartbeat', 'heartbeat', 'beats.*'])
      desk.subscribe(topic, message => this.#hear(message));
    this.connection = this.broker.connect();
    const { log, lines } = recordLog();
    this.lines = lines;
    this.agent = new Agent({
      node,
      identity: { publicKey: key, fingerprint: 'ABCD-EFGH' },
      folder,
      settings: () => this.settings,
      connection: this.connection,
      machine: given.machine ?? {
        bootId: 'boot-1',
        sample: () => {
          if (this.machineFault) throw this.machineFault;
          return { available: { CPU: 3, Memory: 1024 }, usage: { CPU: 1, Memory: 2048, Disk: 0, Load: 0.5 } };
        },
        info: () => {
          if (this.machineFault) throw this.machineFault;
          return nodeInfo(node, machine, { CPU: 4 }, { CPU: 3 }, this.labels);
        },
        takeInventory: () => {
          this.inventories.push(this.clock.monotonic());
          return this.inventory();
        },
        look: async all => {
          this.looks.push({ at: this.clock.monotonic(), all: all === true });
          return this.look();
        },
      },
      clock: this.clock,
      random,
      log,
      pid: 7,
    });
  }

  /** What was asked, as `RegisterNode UpdateResources`. */
  get asked(): string {
    return this.requests.map(({ method }) => method.replace('/v1', '')).join(' ');
  }

  /** Forgets what came so far. */
  forget(): void {
    this.requests.length = 0;
    this.beats.length = 0;
    this.lines.length = 0;
  }

  /** How many of `method` came. */
  count(method: ManagementMethod): number {
    return this.requests.filter(each => each.method === method).length;
  }

  said(level: string): string[] {
    return this.lines.filter(line => line.level === level).map(line => line.message);
  }

  /** Starts it, and waits until its first question came. */
  async start(): Promise<void> {
    this.agent.start();
    await this.until('the first question', () => this.requests.length > 0);
    await this.clock.settle();
  }

  /** Starts it, and waits until it is in this phase; an acceptance is told when the sentinel was written. */
  async startTo(phase: string): Promise<void> {
    await this.start();
    await this.until(phase, () => this.agent.status().state === phase);
    const told = /^(pending approval|approved|registered)$/;
    const isAccepted = ['pending', 'approved', 'registered'].includes(phase);
    if (isAccepted) await this.until('told', () => this.lines.some(line => told.test(line.message)));
  }

  /** Waits for what needs real time, as files do; the fake clock stands still. */
  async until(what: string, condition: () => boolean): Promise<void> {
    for (const end = performance.now() + 10_000; performance.now() < end; ) {
      await this.clock.settle();
      if (condition()) return;
    }
    throw new Error(
      `did not happen: ${what}; asked were ${this.asked}, the status is ${this.agent.status().state}`,
    );
  }

  /** The sentinel's file as it is now. */
  async sentinel(): Promise<Sentinel | undefined> {
    const found = await readSentinel(this.folder, node, key);
    return found.kind === 'valid' ? found.sentinel : undefined;
  }

  /** An event of this node is published, by whomever. */
  event(kind: string, data = '{}'): void {
    this.broker.inject(eventSubject(node, kind), data);
  }

  #take(message: Message): void {
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

  #hear({ subject, data }: Message): void {
    const enveloped = data[0] === 1;
    this.beats.push({ ...decodeHeartbeat(data), at: this.clock.monotonic(), subject, enveloped });
  }
}
