// A requester over a broker in memory, nodes that speak to it, and the events that it tells.
import assert from 'node:assert/strict';
import { type CloudEvent, revisionOfEventId } from '../../agent/protocol/events.ts';
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

export interface SceneOptions {
  settings?: Partial<RequesterSettings>;
  clock?: FakeClock;
  broker?: FakeBroker;
}

/** What a node was answered. */
interface Answered {
  error?: string;
  value?: { Accepted?: boolean; Reason?: string; Muster?: { Code: string; Session?: string } } | null;
}

export class Scene {
  readonly clock: FakeClock;
  readonly broker: FakeBroker;
  readonly settings: RequesterSettings;
  readonly lines: LogLine[] = [];
  readonly lost: MusterError[] = [];
  /** The session of each node's latest registration; undefined for a Bacalhau node. */
  readonly sessions = new Map<string, string | undefined>();
  readonly #node: FakeConnection;
  requester: Requester;
  connection: FakeConnection;
  /** Lets a little time pass for what is waited for. */
  pace: () => Promise<void>;
  #starts = 0;
  #beats = 0;

  /** A scene whose requester is made, not started. */
  constructor(options: SceneOptions = {}) {
    this.clock = options.clock ?? new FakeClock();
    this.broker = options.broker ?? new FakeBroker(this.clock);
    this.settings = { ...settings, ...options.settings };
    this.pace = () => this.clock.advance(100);
    this.#node = this.broker.connect();
    this.connection = this.broker.connect();
    this.requester = this.another(this.connection);
  }

  static async started(options: SceneOptions = {}): Promise<Scene> {
    const scene = new Scene(options);
    await scene.finish(scene.requester.start());
    return scene;
  }

  /** A requester on the same store. */
  another(connection: FakeConnection, more: Partial<RequesterOptions> = {}): Requester {
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
      ...more,
    });
  }

  /** Lets time pass until `work` is done; not at all when it needs none. */
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

  /** Starts it anew, on the same store. */
  async start(): Promise<void> {
    this.connection = this.broker.connect();
    this.requester = this.another(this.connection);
    await this.finish(this.requester.start());
  }

  async ask(id: string, method: ManagementMethod, body: object): Promise<Answered> {
    const subject = `node.management.${id}.${method}`;
    const answer = await this.finish(this.#node.request(subject, JSON.stringify(body), 30_000));
    return JSON.parse(Buffer.from(answer.data).toString());
  }

  /** Registers a muster agent, or a Bacalhau node, which has no session. */
  async register(
    id: string,
    muster = true,
    labels: Record<string, string> = { zone: 'a' },
  ): Promise<Answered> {
    const Muster = muster ? { Muster: sender(this.sessions.get(id)) } : {};
    const answer = await this.ask(id, 'RegisterNode/v1', { Info: computeInfo(id, labels), ...Muster });
    const session = answer.value?.Muster?.Session;
    if (!muster) this.sessions.delete(id);
    else if (session) this.sessions.set(id, session);
    return answer;
  }

  /** What a node sends under its session. */
  under(id: string): object {
    return this.sessions.has(id) ? { Muster: sender(this.sessions.get(id)) } : {};
  }

  async beat(id: string, session = this.sessions.get(id)): Promise<void> {
    const { heartbeatTopic: topic } = this.settings;
    const message = { NodeID: id, Sequence: ++this.#beats };
    const data = isEnveloped(topic)
      ? encodeHeartbeat(message, session, this.clock.now())
      : encodePlainHeartbeat(message);
    this.#node.publish(topic.replace('{nodeId}', id), data);
    await this.clock.settle();
  }

  /** Time passes while these nodes send heartbeats, one each 15 s. */
  async live(ms: number, ids: string[] = []): Promise<void> {
    for (let left = ms; left > 0; left -= 15_000) {
      for (const id of ids) await this.beat(id);
      await this.clock.advance(Math.min(left, 15_000));
    }
  }

  decide(name: string, action: 'approve' | 'reject', reason = ''): Promise<void> {
    return this.finish(this.requester.decide(name, { action, reason, actor: 'ann' }));
  }

  remove(name: string, reason = ''): Promise<void> {
    return this.finish(this.requester.remove(name, reason, 'ann'));
  }

  /** The table that the operator sees: id, type, approval, status. */
  table(): string[] {
    return this.requester
      .list()
      .map(
        ({ Info, Membership, Muster }) => `${Info.NodeID} ${Info.NodeType} ${Membership} ${Muster.Health}`,
      );
  }

  /** Every event that the stream holds. */
  events(): CloudEvent[] {
    const messages = this.broker.streams.get('NODE_EVENTS')?.messages ?? [];
    return messages.map(({ data }) => JSON.parse(Buffer.from(data).toString()));
  }

  /** `<node> <kind>` of each event, those of the requester itself left out. */
  told(): string[] {
    return this.events()
      .filter(({ subject }) => subject !== 'node-0')
      .map(({ subject, type }) => `${subject} ${type.replace('org.muster.node.', '')}`);
  }
}

/** Every event once: no id is told twice, and those of a node are in the order of the store. */
export function assertNoDoubles(scene: Scene): void {
  const ids = scene.events().map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length, `told twice: ${ids.sort().join(' ')}`);
  const newest = new Map<string, number>();
  for (const { id, subject } of scene.events()) {
    const revision = revisionOfEventId(id);
    if (revision === undefined) continue;
    assert.ok(revision > (newest.get(subject) ?? 0), `${id} came late`);
    newest.set(subject, revision);
  }
}
