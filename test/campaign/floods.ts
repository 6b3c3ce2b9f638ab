// Floods: messages that nobody honest sends, by a client with the broker's token, and half-open connections to the API.
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { encodeHeartbeat } from '../../agent/protocol/heartbeat.ts';
import { writeJson } from '../../agent/protocol/json.ts';
import {
  defaultHeartbeatTopic,
  eventSubject,
  heartbeatSubject,
  type ManagementMethod,
  managementMethods,
  managementSubject,
} from '../../agent/protocol/subjects.ts';
import type { Connection } from '../../agent/transport/port.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import { infoOf } from './crowd.ts';
import { forgedReason } from './event-ledger.ts';
import { maxPending } from './stage.ts';

/** The ids that floods invent begin with this. The model knows none of them. */
export const inventedPrefix = 'flood-';

export interface FloodContext {
  connection: Connection;
  random: SeededRandom;
  /** The ids of the honest nodes. */
  ids: readonly string[];
  /** Returns the id of the last event of a node; undefined when it has none. */
  lastEventId(node: string): string | undefined;
  /** Publishes under a message id, by which the broker recognises a second copy. */
  publishStored(subject: string, data: string, messageId: string): Promise<void>;
  apiPort: number;
  onSent(messages: number): void;
}

/** Messages that are sent before the broker must have taken them. It limits the bytes that wait for one client. */
const batch = 200;

export async function forgeHeartbeats(context: FloodContext): Promise<void> {
  const { random, ids } = context;
  await send(context, 20_000, () => {
    const id = random.below(4) === 0 ? `${inventedPrefix}unknown-${random.below(1e6)}` : random.pick(ids);
    return [heartbeatSubject(defaultHeartbeatTopic, id), beatOf(id, `forged-${random.below(1e6)}`)];
  });
}

export async function inventNodes(context: FloodContext): Promise<void> {
  const first = context.random.below(1e6) * 1_000;
  let number = 0;
  await send(context, maxPending * 3, () => registrationOf(`${inventedPrefix}${first + number++}`));
}

/** Eight nodes that wait for approval change a label with each message. */
export async function alternateLabels(context: FloodContext): Promise<void> {
  const nodes = await registerStrangers(context, 'label');
  let number = 0;
  await send(context, 6_000, () => {
    const { id, session } = context.random.pick(nodes);
    return requestOf('UpdateNodeInfo/v1', id, session, { turn: String(number++) });
  });
}

export async function leaveAndReturn(context: FloodContext): Promise<void> {
  const nodes = await registerStrangers(context, 'leave');
  let number = 0;
  await send(context, 10_000, () => {
    const node = nodes[(number >> 1) % nodes.length] ?? { id: '', session: '' };
    if (number++ % 2 === 0) return requestOf('Leave/v1', node.id, node.session);
    return [heartbeatSubject(defaultHeartbeatTopic, node.id), beatOf(node.id, node.session)];
  });
}

export async function sendGarbage(context: FloodContext): Promise<void> {
  const { random, ids } = context;
  await send(context, 6_000, () => {
    const id = random.below(3) === 0 ? `${inventedPrefix}garbage-${random.below(1e6)}` : random.pick(ids);
    const subject = random.pick([
      managementSubject(id, random.pick(managementMethods)),
      `node.management.${id}.Nope/v9`,
      heartbeatSubject(defaultHeartbeatTopic, id),
      `requester.echo.${id}`,
      `requester.lease.${id}`,
    ]);
    return [subject, garbage(random)];
  });
}

/** Publishes events under the ids that the next events of honest nodes will have, if an id only counts revisions. */
export async function forgeEvents(context: FloodContext): Promise<void> {
  const { random, ids, publishStored, onSent } = context;
  for (const node of random.shuffle(ids)) {
    const last = context.lastEventId(node);
    const [, stem = `${node}:`, number = '1'] = /^(.*?)(\d+)$/.exec(last ?? '') ?? [];
    const forged = Array.from({ length: 20 }, (_, ahead) => {
      const id = `${stem}${Number(number) + 1 + ahead}`;
      const data = { node, reason: forgedReason, previous: {}, current: {} };
      const type = 'org.muster.node.updated';
      const event = {
        specversion: '1.0',
        id,
        source: '/forged',
        type,
        subject: node,
        time: new Date(),
        data,
      };
      return publishStored(eventSubject(node, 'updated'), JSON.stringify(event), id);
    });
    // The broker may be away, and then nothing is forged.
    await Promise.allSettled(forged);
    onSent(forged.length);
  }
}

export async function writeJunkKeys(context: FloodContext): Promise<void> {
  const { random } = context;
  await send(context, 2_000, () => {
    const key = `${inventedPrefix}junk-${random.below(1e9)}`;
    return [`$KV.node_v1.${key}`, garbage(random)];
  });
}

/** Opens more connections than the API takes, each with the beginning of a request, and closes them at the end. */
export async function openHalfConnections({ apiPort, random, onSent }: FloodContext): Promise<void> {
  const sockets: Socket[] = [];
  for (let number = 0; number < 1_100; number++) {
    const socket = connect(apiPort, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(
      'GET /api/v1/orchestrator/nodes HTTP/1.1\r\nHost: localhost\r\nX-A'.slice(0, random.below(60)),
    );
    sockets.push(socket);
  }
  onSent(sockets.length);
  const closed = sockets.map(socket => new Promise(resolve => socket.once('close', resolve)));
  await Promise.race([pause(3_000), Promise.all(closed)]);
  for (const socket of sockets) socket.destroy();
}

interface Stranger {
  id: string;
  session: string;
}

/** Registers some nodes that nobody approves. A node whose request gets no answer takes part without a session. */
async function registerStrangers({ connection, random }: FloodContext, what: string): Promise<Stranger[]> {
  const first = random.below(1e6);
  return Promise.all(
    Array.from({ length: 8 }, async (_, index) => {
      const id = `${inventedPrefix}${what}-${first + index}`;
      const [subject, body] = registrationOf(id);
      const reply = await connection.request(subject, body, 2_000).catch(() => undefined);
      const text = reply ? Buffer.from(reply.data).toString() : '';
      return { id, session: /"Session":"([^"]+)"/.exec(text)?.[1] ?? 'none' };
    }),
  );
}

async function send(
  { connection, onSent }: FloodContext,
  count: number,
  next: () => readonly [subject: string, data: Uint8Array | string],
): Promise<void> {
  for (let sent = 1; sent <= count; sent++) {
    connection.publish(...next());
    if (sent % batch !== 0) continue;
    onSent(batch);
    // While the broker is away, the messages are dropped, and the flood goes on.
    await connection.flush(2_000).catch(() => pause(50));
  }
}

const beatOf = (id: string, session: string): Uint8Array | string =>
  encodeHeartbeat({ NodeID: id, Sequence: 1 }, session, new Date());

const registrationOf = (id: string) => requestOf('RegisterNode/v1', id, undefined);

function requestOf(
  method: ManagementMethod,
  id: string,
  session: string | undefined,
  labels: Record<string, string> = {},
): [string, string] {
  const Muster = {
    Version: '0.1.0',
    Instance: `instance-of-${id}`,
    ...(session ? { Session: session } : {}),
  };
  const body = method === 'Leave/v1' ? { NodeID: id, Muster } : { Info: infoOf(id, labels), Muster };
  return [managementSubject(id, method), writeJson(body)];
}

function garbage(random: SeededRandom): Uint8Array {
  const kind = random.below(4);
  if (kind === 0) return random.bytes(random.below(300));
  if (kind === 1) return Buffer.from('['.repeat(random.below(5_000)));
  if (kind === 2) return Buffer.from('{"Info":{"NodeID":"x"},"Muster":null}'.slice(0, random.below(38)));
  return Buffer.from(`{"NodeID":${random.below(1e9)},"Sequence":"\u0000"}`);
}
