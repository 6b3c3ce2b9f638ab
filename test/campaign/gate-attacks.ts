// Attacks on the gate of the broker while all honest nodes come back through it: strangers whom nobody let in, and keys that
// are not those of the nodes they name.
import { setTimeout as pause } from 'node:timers/promises';
import { nodesAccount } from '../../agent/protocol/callout.ts';
import { readConnectionName, writeConnectionName } from '../../agent/protocol/connection-name.ts';
import { inboxPrefix, whySubject } from '../../agent/protocol/subjects.ts';
import { signWith } from '../../agent/transport/key-pair.ts';
import type { Connection } from '../../agent/transport/port.ts';
import { newKey, RawClient, type RawLogin } from '../support/raw-client.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import { heartbeatOf, requestOf } from '../support/simulated-node.ts';
import { inventedPrefix } from './newcomers.ts';

export interface GateContext {
  random: SeededRandom;
  /** The connection of the insider, who may end the connections of others. */
  connection: Connection;
  brokerPort: number;
  /** The ids of the honest nodes. */
  ids: readonly string[];
  onSent(connections: number): void;
  /** Called with what somebody was permitted who may do nothing. */
  onFault(fault: string): void;
}

const strangers = 10_000;
const wrongKeys = 1_000;
/** Number of clients at the same time. */
const atOnce = 200;
/** Time that a stranger waits to be let in, in milliseconds. The broker would keep it waiting for 10 s. */
const patienceMs = 500;

/** Clients without a key, with keys that nobody knows, with tokens that nobody made, and with other texts than CONNECT. */
export async function connectStrangers(context: GateContext): Promise<void> {
  const { random } = context;
  await connectMany(context, strangers, async client => {
    const name = writeConnectionName({
      node: `${inventedPrefix}stranger-${random.below(1e6)}`,
      instance: crypto.randomUUID(),
    });
    const token = unknownToken(random);
    const login = random.pick<RawLogin>([
      {},
      { name, token },
      { name, key: newKey() },
      { name, key: newKey(), token },
      { name: 'x'.repeat(random.below(2_000)), key: newKey(), members: { user: 'admin', pass: 'admin' } },
    ]);
    client.connect(login);
    const isLetIn = await Promise.race([client.isLetIn(), pause(patienceMs, false)]);
    return isLetIn ? `a stranger was let in with ${client.connectLine}` : undefined;
  });
}

/**
 * Clients that name an honest node, with another key, or with a signature that the key did not make. They show no code that
 * is valid: with one, the id of a node that was deleted would rightly be theirs.
 */
export async function showWrongKeys(context: GateContext): Promise<void> {
  const { random, ids } = context;
  await connectMany(context, wrongKeys, async client => {
    const node = random.pick(ids);
    const key = newKey();
    const name = writeConnectionName({ node, instance: crypto.randomUUID() });
    const other = signWith(newKey(), Buffer.from(client.info.nonce ?? '')).toString('base64url');
    const login = random.pick<RawLogin>([
      { name, key },
      { name, key, token: unknownToken(random) },
      { name, key, signed: 'another text' },
      { name, key, members: { sig: other } },
    ]);
    client.connect(login);
    if (!(await Promise.race([client.isLetIn(), pause(patienceMs * 4, false)]))) return undefined;
    // It was let in to ask why, and tries to do more.
    client.publish(...requestOf('Leave/v1', node, undefined));
    client.publish(...heartbeatOf(node, 'none'));
    const inbox = `${inboxPrefix(key.publicKey)}.why`;
    client.subscribe(inbox);
    client.publish(whySubject(key.publicKey), '', inbox);
    const denials = await Promise.race([client.complaints(), pause(patienceMs * 4, undefined)]);
    // The broker or the requester may be away meanwhile.
    if (!denials || !client.isOpen) return undefined;
    if (denials.length === 2) return undefined;
    return `a wrong key was permitted to speak for ${node}: ${denials.join() || 'no complaint'}`;
  });
}

const unknownToken = (random: SeededRandom): string =>
  `join-abcdefghij-${Buffer.from(random.bytes(16)).toString('base64url')}`;

async function connectMany(
  context: GateContext,
  count: number,
  attempt: (client: RawClient) => Promise<string | undefined>,
): Promise<void> {
  const { brokerPort, onSent, onFault } = context;
  let left = count;
  const connectNext = async () => {
    while (left-- > 0) {
      // While the broker is away, nobody can connect, and the flood goes on.
      const client = await RawClient.dial(brokerPort).catch(() => pause(50, undefined));
      if (!client) continue;
      const fault = await attempt(client);
      client.close();
      onSent(1);
      if (fault !== undefined) onFault(fault);
    }
  };
  const crowding = Array.from({ length: atOnce }, connectNext);
  // The broker may be away, and then the nodes come back anyway.
  await dropNodes(context).catch(() => undefined);
  await Promise.all(crowding);
}

interface Connections {
  data: { server_id: string; connections: { cid: number; name?: string }[] };
}

/** Ends the connections of the honest nodes, as a broken network does. */
async function dropNodes({ connection, ids }: GateContext): Promise<void> {
  const question = JSON.stringify({ acc: nodesAccount, limit: 1_024 });
  const answer = await connection.request('$SYS.REQ.SERVER.PING.CONNZ', question, 5_000);
  const { data } = JSON.parse(Buffer.from(answer.data).toString()) as Connections;
  for (const { cid, name = '' } of data.connections) {
    if (ids.includes(readConnectionName(name)?.node ?? ''))
      connection.publish(`$SYS.REQ.SERVER.${data.server_id}.KICK`, JSON.stringify({ cid }));
  }
}
