// A worker: heartbeats as fast as the requester takes them, over one connection. Arguments: broker, nodes.
import { encodeHeartbeat } from '../../agent/protocol/heartbeat.ts';
import { defaultHeartbeatTopic, heartbeatSubject, managementSubject } from '../../agent/protocol/subjects.ts';
import { openConnection } from '../support/open-connection.ts';
import { nodeIdOf, sessionOf } from './simulated-nodes.ts';
import './worker.ts';

/** Heartbeats between two questions; their answers show how far the requester is. */
const batch = 4_000;
/** Batches on their way: enough that the requester never waits, too few for the broker to cut it off as slow. */
const ahead = 4;

const [url = '', nodeArgument] = process.argv.slice(2);
const nodes = Number(nodeArgument);
const connection = await openConnection(url, 'flood');
const beats = Array.from({ length: nodes }, (_, index) => ({
  subject: heartbeatSubject(defaultHeartbeatTopic, nodeIdOf(index)),
  message: encodeHeartbeat({ NodeID: nodeIdOf(index), Sequence: 1 }, sessionOf(index), new Date()),
}));

let next = 0;
async function flood(): Promise<void> {
  for (;;) {
    for (let sent = 0; sent < batch; sent++) {
      const beat = beats[next++ % nodes];
      if (beat) connection.publish(beat.subject, beat.message);
    }
    // Nobody has this id: the least that is answered.
    await connection.request(managementSubject('nobody', 'Leave/v1'), '{"NodeID":"nobody"}', 30_000);
  }
}
await Promise.all(Array.from({ length: ahead }, flood));
