// A simulated node has a key and a connection of its own, as an agent has. It comes in by a join code.
import { nodeInfo } from '../../agent/compute/survey/node-info.ts';
import { answerSchema } from '../../agent/protocol/answers.ts';
import { writeConnectionName } from '../../agent/protocol/connection-name.ts';
import { encodeHeartbeat } from '../../agent/protocol/heartbeat.ts';
import { parseJson, writeJson } from '../../agent/protocol/json.ts';
import { validate } from '../../agent/protocol/schema.ts';
import {
  aliveSubject,
  defaultHeartbeatTopic,
  heartbeatSubject,
  inboxPrefix,
  type ManagementMethod,
  managementSubject,
} from '../../agent/protocol/subjects.ts';
import type { KeyPair } from '../../agent/transport/key-pair.ts';
import type { Connection } from '../../agent/transport/port.ts';
import { startConnection } from './open-connection.ts';
import { newKey } from './raw-client.ts';

/** Where simulated nodes connect, and the token of a join code that lets them in. */
export interface Entrance {
  servers: string | string[];
  joinToken: string;
  /** The file with the CAs of brokers with TLS. */
  caFile?: string;
}

const answerTimeoutMs = 2_000;

export class SimulatedNode {
  readonly id: string;
  readonly connection: Connection;
  /** The session that its newest registration opened; undefined before that, and after it was told that it was deleted. */
  session: string | undefined;
  readonly #key: KeyPair = newKey();
  #sequence = 0;
  #attempts = 0;

  /** Begins to connect. */
  constructor(id: string, { servers, joinToken, caFile }: Entrance) {
    this.id = id;
    this.connection = startConnection(servers, {
      // A deleted node that registers again was told to by its operator.
      name: writeConnectionName({ node: id, instance: crypto.randomUUID(), intent: 'register' }),
      inboxPrefix: inboxPrefix(this.#key.publicKey),
      credentials: () => ({ key: this.#key, joinToken }),
      connectTimeoutMs: 15_000,
      ...(caFile === undefined ? {} : { tls: () => ({ caFile }) }),
    });
    this.connection.subscribe(aliveSubject(id), message => message.respond(''));
  }

  /** Sends a request and returns the code of the answer; undefined when none came in time. */
  async ask(method: ManagementMethod): Promise<string | undefined> {
    const isNew = method === 'RegisterNode/v1';
    const session = isNew ? undefined : this.session;
    const attempt = isNew ? ++this.#attempts : undefined;
    try {
      const [subject, body] = requestOf(method, this.id, session, {}, attempt);
      const reply = await this.connection.request(subject, body, answerTimeoutMs);
      const { muster } = validate(answerSchema, parseJson(reply.data));
      if (isNew) this.session = muster?.Session ?? this.session;
      return muster?.Code ?? '';
    } catch {
      return undefined;
    }
  }

  /** Says which CAs it keeps, and returns those that it is told to keep; undefined when no answer came in time. */
  async keep(pins: readonly string[]): Promise<readonly string[] | undefined> {
    const [subject, body] = requestOf('UpdateNodeInfo/v1', this.id, this.session, {}, undefined, pins);
    try {
      const reply = await this.connection.request(subject, body, answerTimeoutMs);
      return validate(answerSchema, parseJson(reply.data)).muster?.Authorities ?? [];
    } catch {
      return undefined;
    }
  }

  /** Sends a request and awaits no answer. */
  send(method: ManagementMethod, labels: Record<string, string> = {}): void {
    this.connection.publish(...requestOf(method, this.id, this.session, labels));
  }

  beat(): void {
    this.connection.publish(...heartbeatOf(this.id, this.session ?? 'none', ++this.#sequence));
  }

  async close(): Promise<void> {
    await this.connection.close(0);
  }
}

export const heartbeatOf = (id: string, session: string, sequence = 1): [string, Uint8Array | string] => [
  heartbeatSubject(defaultHeartbeatTopic, id),
  encodeHeartbeat({ NodeID: id, Sequence: sequence }, session, new Date()),
];

/** Returns subject and body of a request. */
export function requestOf(
  method: ManagementMethod,
  id: string,
  session: string | undefined,
  labels: Record<string, string> = {},
  attempt?: number,
  authorities?: readonly string[],
): [string, string] {
  const Muster = {
    Version: '0.1.0',
    Instance: `instance-of-${id}`,
    ...(attempt === undefined ? {} : { Attempt: attempt }),
    ...(session ? { Session: session } : {}),
    ...(authorities ? { Authorities: [...authorities] } : {}),
  };
  const body = method === 'Leave/v1' ? { NodeID: id, Muster } : { Info: infoOf(id, labels), Muster };
  return [managementSubject(id, method), writeJson(body)];
}

const infoOf = (id: string, labels: Record<string, string>) =>
  nodeInfo(
    id,
    { hostname: id, operatingSystem: 'linux', architecture: 'amd64' },
    { CPU: 4, Memory: 8_000_000_000 },
    { CPU: 4, Memory: 8_000_000_000 },
    labels,
  );
