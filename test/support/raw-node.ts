// A node that speaks to a real broker over a plain connection, so that a test can make it misbehave.
import assert from 'node:assert/strict';
import { encodeHeartbeat } from '../../agent/protocol/heartbeat.ts';
import { defaultHeartbeatTopic, heartbeatSubject, inboxPrefix } from '../../agent/protocol/subjects.ts';
import type { KeyPair } from '../../agent/transport/key-pair.ts';
import { eventually } from './eventually.ts';
import { RawClient, type RawLogin } from './raw-client.ts';

/** A node that registers and hears its answers, and that a test makes misbehave. */
export class RawNode {
  readonly client: RawClient;
  readonly id: string;
  readonly key: KeyPair;
  /** Whether it answers each event that it receives. */
  answersEvents = false;
  #asked = 0;

  /** Connects, subscribes as an agent does, and registers. */
  static async open(
    port: number,
    id: string,
    key: KeyPair,
    login: Pick<RawLogin, 'name' | 'token'> = {},
  ): Promise<RawNode> {
    const client = await RawClient.open(port, { key, name: `${id} instance=of-${id}`, ...login });
    const node = new RawNode(client, id, key);
    client.subscribe(`node.events.${id}.*`);
    client.subscribe(`${inboxPrefix(key.publicKey)}.>`);
    client.subscribe(`node.compute.${id}.>`);
    assert.deepEqual(await client.complaints(), []);
    await node.register();
    return node;
  }

  constructor(client: RawClient, id: string, key: KeyPair) {
    this.client = client;
    this.id = id;
    this.key = key;
    client.onMessage = ({ subject, reply }) => {
      if (subject === `node.compute.${id}.alive`) client.publish(reply, 'alive');
      if (this.answersEvents && subject.startsWith('node.events.'))
        client.publish(reply, '{"error":{"code":503}}');
    };
  }

  inbox(): string {
    return `${inboxPrefix(this.key.publicKey)}.${++this.#asked}`;
  }

  async register(): Promise<void> {
    await this.ask('RegisterNode/v1', infoOf(this.id));
  }

  async ask(method: string, data: string): Promise<string> {
    const reply = this.inbox();
    this.client.publish(`node.management.${this.id}.${method}`, data, reply);
    let answer: string | undefined;
    await eventually(`${this.id} is answered`, () => {
      answer = this.client.messages.find(({ subject }) => subject === reply)?.data;
      return answer !== undefined;
    });
    return answer ?? '';
  }
}

/** One message of each kind that a node sends, as `id` would send it. */
export const messagesOf = (id: string): [subject: string, data: string | Uint8Array][] => [
  [`node.management.${id}.RegisterNode/v1`, infoOf(id, 'an impostor')],
  [`node.management.${id}.UpdateNodeInfo/v1`, infoOf(id, 'an impostor')],
  [`node.management.${id}.UpdateResources/v1`, JSON.stringify({ NodeID: id })],
  [`node.management.${id}.Leave/v1`, JSON.stringify({ NodeID: id, Reason: 'an impostor' })],
  [
    heartbeatSubject(defaultHeartbeatTopic, id),
    encodeHeartbeat({ NodeID: id, Sequence: 9 }, undefined, new Date()),
  ],
  [`node.alive.${id}`, 'an impostor'],
];

/** Returns the body of a registration. */
export const infoOf = (id: string, hostname = id): string =>
  JSON.stringify({
    Info: { NodeID: id, NodeType: 'Compute', Hostname: hostname, Labels: { from: hostname } },
    Muster: { Version: '0.1.0', Instance: `of-${id}` },
  });

/** The complaints of a server about a subject that a client may not publish on, or not subscribe to. */
export const mayNotPublish = (subject: string) => `'Permissions Violation for Publish to "${subject}"'`;
export const mayNotSubscribe = (subject: string) =>
  `'Permissions Violation for Subscription to "${subject}"'`;
