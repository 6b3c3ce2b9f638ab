// Simulates many nodes over one connection. They register as agents do, and try again until they are accepted.

import { nodeInfo } from '../../agent/compute/survey/node-info.ts';
import { answerSchema } from '../../agent/protocol/answers.ts';
import { encodeHeartbeat } from '../../agent/protocol/heartbeat.ts';
import { parseJson, writeJson } from '../../agent/protocol/json.ts';
import { validate } from '../../agent/protocol/schema.ts';
import { defaultHeartbeatTopic, heartbeatSubject, managementSubject } from '../../agent/protocol/subjects.ts';
import type { Connection } from '../../agent/transport/port.ts';
import { openConnection } from './open-connection.ts';

export class Fleet {
  readonly connection: Connection;
  readonly ids: string[];
  readonly sessions = new Map<string, string>();
  #closed = false;

  static async connect(url: string, size: number, prefix = 'fleet-'): Promise<Fleet> {
    const connection = await openConnection(url, 'fleet');
    return new Fleet(connection, size, prefix);
  }

  private constructor(connection: Connection, size: number, prefix: string) {
    this.connection = connection;
    this.ids = Array.from({ length: size }, (_, index) => `${prefix}${index}`);
  }

  /** Lets each node register until it is accepted, `atOnce` of them at a time. It does not wait for them. */
  registerAll(atOnce = this.ids.length): void {
    const waiting = [...this.ids];
    const registerNext = async () => {
      for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) await this.#register(id);
    };
    for (let worker = 0; worker < atOnce; worker++) void registerNext();
  }

  /** Sends one heartbeat of each registered node. */
  sendHeartbeats(sequence: number): void {
    for (const [id, session] of this.sessions) {
      const beat = encodeHeartbeat({ NodeID: id, Sequence: sequence }, session, new Date());
      this.connection.publish(heartbeatSubject(defaultHeartbeatTopic, id), beat);
    }
  }

  /**
   * Watches the store directly, not through the requester. The returned set grows with each of these nodes that is stored.
   */
  async followStore(stored: (ids: ReadonlySet<string>) => void): Promise<ReadonlySet<string>> {
    const storage = await this.connection.storage();
    const bucket = await storage.bucket({ name: 'node_v1', history: 1 });
    const ids = new Set<string>();
    const watch = await bucket.watch(entry => {
      if (entry.marker || !this.ids.includes(entry.key)) return;
      ids.add(entry.key);
      stored(ids);
    });
    await watch.ready;
    return ids;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.connection.close(500);
  }

  async #register(id: string): Promise<void> {
    const info = nodeInfo(
      id,
      { hostname: id, operatingSystem: 'linux', architecture: 'amd64' },
      { CPU: 4, Memory: 8_000_000_000 },
      { CPU: 4, Memory: 8_000_000_000 },
      { fleet: 'test' },
    );
    const body = writeJson({ Info: info, Muster: { Version: '0.1.0', Instance: `instance-of-${id}` } });
    while (!this.#closed && !this.sessions.has(id)) {
      try {
        const message = await this.connection.request(managementSubject(id, 'RegisterNode/v1'), body, 1_000);
        const answer = validate(answerSchema, parseJson(message.data));
        if (answer.accepted) this.sessions.set(id, answer.muster?.Session ?? '');
      } catch {
        // No requester answered, so the node asks again, as an agent does.
        await new Promise(resolve => setTimeout(resolve, 50));
      }
    }
  }
}
