// Floods: messages that nobody honest sends, by an insider with the requester's own key, whom the broker permits everything;
// and half-open connections to the API.
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import {
  defaultHeartbeatTopic,
  eventSubject,
  heartbeatSubject,
  managementMethods,
  managementSubject,
} from '../../agent/protocol/subjects.ts';
import type { Connection } from '../../agent/transport/port.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import { heartbeatOf } from '../support/simulated-node.ts';
import { forgedReason } from './event-ledger.ts';
import { inventedPrefix } from './newcomers.ts';

export interface FloodContext {
  /** The connection of the insider. */
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
    return heartbeatOf(id, `forged-${random.below(1e6)}`);
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

function garbage(random: SeededRandom): Uint8Array {
  const kind = random.below(4);
  if (kind === 0) return random.bytes(random.below(300));
  if (kind === 1) return Buffer.from('['.repeat(random.below(5_000)));
  if (kind === 2) return Buffer.from('{"Info":{"NodeID":"x"},"Muster":null}'.slice(0, random.below(38)));
  return Buffer.from(`{"NodeID":${random.below(1e9)},"Sequence":"\u0000"}`);
}
