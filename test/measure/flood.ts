// This worker sends heartbeats as fast as the requester takes them, over one connection. Arguments: the broker's URL, and
// how many nodes send.
import { encodeHeartbeat } from '../../agent/protocol/heartbeat.ts';
import { defaultHeartbeatTopic, heartbeatSubject, managementSubject } from '../../agent/protocol/subjects.ts';
import { openConnection } from '../support/open-connection.ts';
import { nodeIdOf, sessionOf } from './simulated-nodes.ts';
import './worker.ts';

/** Heartbeats between two requests. The answer to a request shows that the requester has taken all heartbeats before it. */
const batchSize = 4_000;
/** Batches that are sent before an answer: enough that the requester never waits, too few for a slow-consumer error. */
const batchesAhead = 4;

const [url = '', nodeArgument] = process.argv.slice(2);
const nodes = Number(nodeArgument);
const connection = await openConnection(url, 'flood');
const heartbeats = Array.from({ length: nodes }, (_, index) => ({
  subject: heartbeatSubject(defaultHeartbeatTopic, nodeIdOf(index)),
  message: encodeHeartbeat({ NodeID: nodeIdOf(index), Sequence: 1 }, sessionOf(index), new Date()),
}));

let next = 0;
async function flood(): Promise<void> {
  for (;;) {
    for (let sent = 0; sent < batchSize; sent++) {
      const heartbeat = heartbeats[next++ % nodes];
      if (heartbeat) connection.publish(heartbeat.subject, heartbeat.message);
    }
    // No node has this id, so the answer costs the requester as little as possible.
    await connection.request(managementSubject('nobody', 'Leave/v1'), '{"NodeID":"nobody"}', 30_000);
  }
}
await Promise.all(Array.from({ length: batchesAhead }, flood));
