// The crowd is many simulated nodes over one connection. They register, send heartbeats and information, and register again
// when the requester does not know them, as agents do.
import { nodeInfo } from '../../agent/compute/survey/node-info.ts';
import { answerSchema } from '../../agent/protocol/answers.ts';
import { encodeHeartbeat } from '../../agent/protocol/heartbeat.ts';
import { parseJson, writeJson } from '../../agent/protocol/json.ts';
import { validate } from '../../agent/protocol/schema.ts';
import {
  defaultHeartbeatTopic,
  heartbeatSubject,
  type ManagementMethod,
  managementSubject,
} from '../../agent/protocol/subjects.ts';
import type { Connection } from '../../agent/transport/port.ts';
import type { Model, Outcome } from './model.ts';

/** Time between two heartbeats of a node, in milliseconds. */
const heartbeatMs = 300;
/** Time between two requests of the whole crowd, in milliseconds. */
const requestMs = 25;
const answerTimeoutMs = 2_000;

export class Crowd {
  readonly #connection: Connection;
  readonly #model: Model;
  readonly #ids: readonly string[];
  /** The session of each node that takes part. A deleted node has none, and is quiet. */
  readonly #sessions = new Map<string, string>();
  readonly #busy = new Set<string>();
  readonly #timers: NodeJS.Timeout[] = [];
  #sequence = 0;
  #turn = 0;

  constructor(connection: Connection, model: Model, ids: readonly string[]) {
    this.#connection = connection;
    this.#model = model;
    this.#ids = ids;
  }

  /** Lets all nodes register, and begins to send. */
  start(): void {
    for (const id of this.#ids) void this.bringBack(id);
    this.#timers.push(
      setInterval(() => this.#sendHeartbeats(), heartbeatMs),
      setInterval(() => void this.#askNext(), requestMs),
    );
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }

  /** Returns whether a node sends heartbeats: it has registered and was not told that it was deleted. */
  isAlive(id: string): boolean {
    return this.#sessions.has(id);
  }

  /** Lets a node register, as an operator does with `muster agent register`. */
  async bringBack(id: string): Promise<void> {
    if (this.#busy.has(id)) return;
    this.#busy.add(id);
    try {
      await this.#register(id);
    } finally {
      this.#busy.delete(id);
    }
  }

  #sendHeartbeats(): void {
    this.#sequence++;
    for (const [id, session] of this.#sessions) {
      const beat = encodeHeartbeat({ NodeID: id, Sequence: this.#sequence }, session, new Date());
      this.#connection.publish(heartbeatSubject(defaultHeartbeatTopic, id), beat);
    }
  }

  // The nodes send their information one after the other. A node without a session stays quiet once it was accepted.
  async #askNext(): Promise<void> {
    const id = this.#ids[this.#turn++ % this.#ids.length] ?? '';
    const session = this.#sessions.get(id);
    if (session === undefined || this.#busy.has(id)) return;
    this.#busy.add(id);
    try {
      const code = await this.#request(id, 'UpdateNodeInfo/v1', session);
      if (code?.code === 'deleted') this.#sessions.delete(id);
      if (code?.code === 'handshake_required') await this.#register(id);
    } finally {
      this.#busy.delete(id);
    }
  }

  async #register(id: string): Promise<void> {
    const operation = this.#model.begin(id, 'register');
    const answer = await this.#request(id, 'RegisterNode/v1', undefined);
    this.#model.end(operation, outcomeOf(answer?.code));
    // A node without an answer tries again with its next information, for which it needs a session.
    this.#sessions.set(id, answer?.session ?? this.#sessions.get(id) ?? 'none');
  }

  async #request(
    id: string,
    method: ManagementMethod,
    session: string | undefined,
  ): Promise<{ code: string; session: string | undefined } | undefined> {
    const sender = {
      Version: '0.1.0',
      Instance: `instance-of-${id}`,
      ...(session ? { Session: session } : {}),
    };
    const body = writeJson({ Info: infoOf(id, {}), Muster: sender });
    try {
      const reply = await this.#connection.request(managementSubject(id, method), body, answerTimeoutMs);
      const { muster } = validate(answerSchema, parseJson(reply.data));
      return { code: muster?.Code ?? '', session: muster?.Session };
    } catch {
      return undefined;
    }
  }
}

/** Returns the information of a simulated node. */
export const infoOf = (id: string, labels: Record<string, string>) =>
  nodeInfo(
    id,
    { hostname: id, operatingSystem: 'linux', architecture: 'amd64' },
    { CPU: 4, Memory: 8_000_000_000 },
    { CPU: 4, Memory: 8_000_000_000 },
    labels,
  );

// A rejected node stays what it is, as the rule for a registration says.
function outcomeOf(code: string | undefined): Outcome {
  if (code === 'registered' || code === 'reconnected' || code === 'rejected') return 'done';
  return code === 'full' || code === 'deleted' ? 'not sent' : 'unknown';
}
