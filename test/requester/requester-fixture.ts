// Runs a requester over a broker in memory, with nodes that send to it, and records the events that it announces.
import assert from 'node:assert/strict';
import { type CloudEvent, parseRevisionEventId } from '../../agent/protocol/events.ts';
import { encodeHeartbeat, encodePlainHeartbeat } from '../../agent/protocol/heartbeat.ts';
import { defaultHeartbeatTopic, isEnveloped, type ManagementMethod } from '../../agent/protocol/subjects.ts';
import { Requester, type RequesterOptions, type RequesterSettings } from '../../agent/requester/requester.ts';
import type { MusterError } from '../../agent/system/errors.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeBroker, type FakeConnection } from '../support/fake-connection.ts';
import { type LogLine, recordLog } from '../support/log-lines.ts';
import { computeInfo, counting, requesterNode, sender } from './samples.ts';

export const settings: RequesterSettings = {
  heartbeatFrequency: 5_000,
  heartbeatTopic: defaultHeartbeatTopic,
  nodeDisconnectedAfter: 45_000,
  nodeUnknownAfter: 90_000,
  manualApproval: true,
  maxPending: 1_000,
};

export interface FixtureOptions {
  settings?: Partial<RequesterSettings>;
  clock?: FakeClock;
  broker?: FakeBroker;
  /** Further options of each requester. */
  requester?: Partial<RequesterOptions>;
}

/** The answer to a node's request. */
interface Answer {
  error?: string;
  value?: { Accepted?: boolean; Reason?: string; Muster?: { Code: string; Session?: string } } | null;
}

export class RequesterFixture {
  readonly clock: FakeClock;
  readonly broker: FakeBroker;
  readonly settings: RequesterSettings;
  readonly lines: LogLine[] = [];
  /** The errors of requesters that lost the lease. */
  readonly lost: MusterError[] = [];
  /** The session of each node's latest registration; undefined for a Bacalhau node. */
  readonly sessions = new Map<string, string | undefined>();
  readonly #node: FakeConnection;
  readonly #more: Partial<RequesterOptions>;
  requester: Requester;
  connection: FakeConnection;
  /** Lets a little time pass. `finish` calls it while it waits. */
  pace: () => Promise<void>;
  #starts = 0;
  #heartbeats = 0;

  /** Makes a requester but does not start it. */
  constructor(options: FixtureOptions = {}) {
    this.clock = options.clock ?? new FakeClock();
    this.broker = options.broker ?? new FakeBroker(this.clock);
    this.settings = { ...settings, ...options.settings };
    this.#more = options.requester ?? {};
    this.pace = () => this.clock.advance(100);
    this.#node = this.broker.connect();
    this.connection = this.broker.connect();
    this.requester = this.newRequester(this.connection);
  }

  static async started(options: FixtureOptions = {}): Promise<RequesterFixture> {
    const fixture = new RequesterFixture(options);
    await fixture.finish(fixture.requester.start());
    return fixture;
  }

  /** Makes a requester on the same store. */
  newRequester(connection: FakeConnection, more: Partial<RequesterOptions> = {}): Requester {
    const { log, lines } = recordLog();
    const keep = lines.push.bind(this.lines);
    lines.push = (...added) => keep(...added);
    return new Requester({
      self: requesterNode('node-0'),
      settings: this.settings,
      connection,
      clock: this.clock,
      random: counting(`r${++this.#starts}-`),
      log,
      host: 'host-1',
      pid: 4_000 + this.#starts,
      onLost: error => void this.lost.push(error),
      ...this.#more,
      ...more,
    });
  }

  /** Lets time pass until `work` has settled. No time passes when it needs none. */
  async finish<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const end = () => {
      done = true;
    };
    work.then(end, end);
    await this.clock.settle();
    for (let i = 0; !done && i < 600; i++) await this.pace();
    if (!done) throw new Error('it never ended');
    return work;
  }

  /** Ends the requester as SIGKILL does: what it has not sent is never sent. */
  async kill(): Promise<void> {
    await this.connection.close();
    await this.requester.stop();
  }

  /** Starts a new requester on the same store. */
  async start(): Promise<void> {
    this.connection = this.broker.connect();
    this.requester = this.newRequester(this.connection);
    await this.finish(this.requester.start());
  }

  /** Sends a request of a node and returns the answer. */
  async ask(id: string, method: ManagementMethod, body: object): Promise<Answer> {
    const subject = `node.management.${id}.${method}`;
    const answer = await this.finish(this.#node.request(subject, JSON.stringify(body), 30_000));
    return JSON.parse(Buffer.from(answer.data).toString());
  }

  /** Registers a muster agent, or a Bacalhau node, which has no session. */
  async register(id: string, muster = true, labels: Record<string, string> = { zone: 'a' }): Promise<Answer> {
    const Muster = muster ? { Muster: sender(this.sessions.get(id)) } : {};
    const answer = await this.ask(id, 'RegisterNode/v1', { Info: computeInfo(id, labels), ...Muster });
    const session = answer.value?.Muster?.Session;
    if (!muster) this.sessions.delete(id);
    else if (session) this.sessions.set(id, session);
    return answer;
  }

  /** Returns the member with which a node names its session. */
  senderOf(id: string): object {
    return this.sessions.has(id) ? { Muster: sender(this.sessions.get(id)) } : {};
  }

  async heartbeat(id: string, session = this.sessions.get(id)): Promise<void> {
    const { heartbeatTopic: topic } = this.settings;
    const message = { NodeID: id, Sequence: ++this.#heartbeats };
    const data = isEnveloped(topic)
      ? encodeHeartbeat(message, session, this.clock.now())
      : encodePlainHeartbeat(message);
    this.#node.publish(topic.replace('{nodeId}', id), data);
    await this.clock.settle();
  }

  /** Lets time pass while these nodes send a heartbeat every 15 s. */
  async live(ms: number, ids: string[] = []): Promise<void> {
    for (let left = ms; left > 0; left -= 15_000) {
      for (const id of ids) await this.heartbeat(id);
      await this.clock.advance(Math.min(left, 15_000));
    }
  }

  approve(name: string, reason = ''): Promise<void> {
    return this.finish(this.requester.directory.approve(name, { reason, actor: 'ann' }));
  }

  reject(name: string, reason = ''): Promise<void> {
    return this.finish(this.requester.directory.reject(name, { reason, actor: 'ann' }));
  }

  delete(name: string, reason = ''): Promise<void> {
    return this.finish(this.requester.directory.delete(name, { reason, actor: 'ann' }));
  }

  /** Returns the table that the operator sees: id, type, approval, status. */
  table(): string[] {
    return this.requester.directory
      .list()
      .map(
        ({ Info, Membership, Muster }) => `${Info.NodeID} ${Info.NodeType} ${Membership} ${Muster.Health}`,
      );
  }

  /** Returns every event that the stream holds. */
  events(): CloudEvent[] {
    const messages = this.broker.streams.get('NODE_EVENTS')?.messages ?? [];
    return messages
      .filter(({ subject }) => subject.startsWith('node.events.'))
      .map(({ data }) => JSON.parse(Buffer.from(data).toString()));
  }

  /** Returns `<node> <kind>` for each event, without those about the requester itself. */
  announced(): string[] {
    return this.events()
      .filter(({ subject }) => subject !== 'node-0')
      .map(({ subject, type }) => `${subject} ${type.replace('org.muster.node.', '')}`);
  }
}

/** Returns the id of a membership event without the incarnation of the store. */
export function withoutIncarnation(id: string): string {
  const { node, revision } = parseRevisionEventId(id) ?? {};
  return `${node}:${revision}`;
}

/** Asserts that no id was announced twice, and that the events of each node are in the order of the store. */
export function assertNoDoubles(fixture: RequesterFixture): void {
  const ids = fixture.events().map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length, `announced twice: ${ids.sort().join(' ')}`);
  const newest = new Map<string, number>();
  for (const { id, subject } of fixture.events()) {
    const { incarnation, revision } = parseRevisionEventId(id) ?? {};
    if (revision === undefined) continue;
    const life = `${subject} ${incarnation}`;
    assert.ok(revision > (newest.get(life) ?? 0), `${id} came late`);
    newest.set(life, revision);
  }
}
