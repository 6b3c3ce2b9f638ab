// This worker runs simulated nodes with keys of their own: each connects over TLS with a join code, registers, and sends
// heartbeats. Arguments: the number of the first node, how many nodes, and the join code. It reports how many are registered
// and how many are connected, whenever that changed.
import { randomBytes } from 'node:crypto';
import { answerSchema } from '../../agent/protocol/answers.ts';
import { writeConnectionName } from '../../agent/protocol/connection-name.ts';
import { encodeHeartbeat } from '../../agent/protocol/heartbeat.ts';
import { readJoinCode } from '../../agent/protocol/join-code.ts';
import { parseJson, writeJson } from '../../agent/protocol/json.ts';
import { validate } from '../../agent/protocol/schema.ts';
import {
  defaultHeartbeatTopic,
  heartbeatSubject,
  inboxPrefix,
  managementSubject,
} from '../../agent/protocol/subjects.ts';
import { systemClock } from '../../agent/system/clock.ts';
import { silentLog } from '../../agent/system/log.ts';
import { systemRandom } from '../../agent/system/random.ts';
import { keyPairOf } from '../../agent/transport/key-pair.ts';
import { connect } from '../../agent/transport/nats.ts';
import type { Connection } from '../../agent/transport/port.ts';
import { nodeIdOf, registerOf } from './simulated-nodes.ts';
import { report } from './worker.ts';

export interface KeyedNodesReport {
  registered: number;
  connected: number;
}

const heartbeatMs = 15_000;
/**
 * How many nodes of this process come in at the same time. Each real node has a processor of its own for TLS. With thousands of
 * handshakes at once on this one, each would take longer than the broker waits.
 */
const atOnce = 100;
const [first = 0, count = 0] = process.argv.slice(2, 4).map(Number);
const reading = readJoinCode(process.argv[4] ?? '');
if (reading.kind !== 'valid') throw new Error('the third argument is no join code');
const { code } = reading;
/** The CAs that the first node has learned. The others know them, as agents do after their first connection. */
const cas: string[] = [];
let registered = 0;
let connected = 0;

let next = first;
for (let lane = 0; lane < atOnce; lane++) void bringIn();
let reported = '';
setInterval(() => {
  const now: KeyedNodesReport = { registered, connected };
  if (JSON.stringify(now) !== reported) report(now);
  reported = JSON.stringify(now);
}, 50);

/** Brings in one node after the other. */
async function bringIn(): Promise<void> {
  while (next < first + count) {
    const index = next++;
    const { connection, session } = await comeIn(index);
    void sendHeartbeats(connection, nodeIdOf(index), session);
  }
}

/** Resolves when the node is registered. */
async function comeIn(index: number): Promise<{ connection: Connection; session: string }> {
  const node = nodeIdOf(index);
  const key = keyPairOf(randomBytes(32), 'node');
  const connection = connect({
    servers: code.servers,
    name: writeConnectionName({ node, instance: systemRandom.uuid() }),
    inboxPrefix: inboxPrefix(key.publicKey),
    credentials: () => ({ key, joinToken: code.token }),
    tls: () => ({ pins: code.pins, cas, onCa: ca => void (cas.length === 0 && cas.push(ca)) }),
    connectTimeoutMs: 15_000,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
  let isUp = false;
  connection.onState(({ kind }) => {
    if ((kind === 'connected') === isUp) return;
    isUp = !isUp;
    connected += isUp ? 1 : -1;
  });
  const session = await register(connection, index);
  registered++;
  return { connection, session };
}

async function sendHeartbeats(connection: Connection, node: string, session: string): Promise<void> {
  for (let sequence = 1; ; sequence++) {
    connection.publish(
      heartbeatSubject(defaultHeartbeatTopic, node),
      encodeHeartbeat({ NodeID: node, Sequence: sequence }, session, new Date()),
    );
    await new Promise(resolve => setTimeout(resolve, heartbeatMs));
  }
}

async function register(connection: Connection, index: number): Promise<string> {
  const body = writeJson(registerOf(index));
  for (;;) {
    try {
      await connection.connected();
      const subject = managementSubject(nodeIdOf(index), 'RegisterNode/v1');
      const answer = validate(
        answerSchema,
        parseJson((await connection.request(subject, body, 10_000)).data),
      );
      if (answer.accepted) return answer.muster?.Session ?? '';
    } catch {
      // It is asked again, as an agent does.
    }
    await new Promise(resolve => setTimeout(resolve, 250 + Math.random() * 500));
  }
}
