// Many simulated nodes over one connection: they register as agents do, and try again until they are accepted.

import { nodeInfo } from '../../agent/compute/node-info.ts';
import { answerReader } from '../../agent/protocol/answers.ts';
import { encodeHeartbeat } from '../../agent/protocol/heartbeat.ts';
import { parseJson, writeJson } from '../../agent/protocol/json.ts';
import { check } from '../../agent/protocol/schema.ts';
import { defaultHeartbeatTopic, heartbeatSubject, managementSubject } from '../../agent/protocol/subjects.ts';
import { systemClock } from '../../agent/system/clock.ts';
import { silentLog } from '../../agent/system/log.ts';
import { systemRandom } from '../../agent/system/random.ts';
import { connect } from '../../agent/transport/nats.ts';
import type { Connection } from '../../agent/transport/port.ts';

export class Fleet {
  readonly connection: Connection;
  readonly ids: string[];
  readonly sessions = new Map<string, string>();
  #closed = false;

  static async connect(url: string, size: number, prefix = 'fleet-'): Promise<Fleet> {
    const connection = connect({
      servers: [url],
      name: 'fleet',
      credentials: () => ({}),
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
    });
    await connection.connected();
    return new Fleet(connection, size, prefix);
  }

  private constructor(connection: Connection, size: number, prefix: string) {
    this.connection = connection;
    this.ids = Array.from({ length: size }, (_, index) => `${prefix}${index}`);
  }

  /** Each node asks until it is accepted. Does not wait. */
  registerAll(): void {
    for (const id of this.ids) void this.#register(id);
  }

  /** One heartbeat of each node that is registered. */
  beat(sequence: number): void {
    for (const [id, session] of this.sessions) {
      const beat = encodeHeartbeat({ NodeID: id, Sequence: sequence }, session, new Date());
      this.connection.publish(heartbeatSubject(defaultHeartbeatTopic, id), beat);
    }
  }

  /** The ids that the store holds, read past the requester. */
  async storedIds(): Promise<string[]> {
    const storage = await this.connection.storage();
    const bucket = await storage.bucket({ name: 'node_v1', history: 1 });
    const ids: string[] = [];
    const watch = await bucket.watch(entry => {
      if (!entry.marker && this.ids.includes(entry.key)) ids.push(entry.key);
    });
    await watch.ready;
    watch.stop();
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
        const answer = check(answerReader, parseJson(message.data));
        if (answer.accepted) this.sessions.set(id, answer.muster?.Session ?? '');
      } catch {
        // Nobody answered: asked again, as an agent does.
        await new Promise(resolve => setTimeout(resolve, 50));
      }
    }
  }
}
