// This worker receives the same heartbeats as a requester and only counts them, with the client of NATS. Argument: the
// broker's URL.
import { connect } from 'nats';
import { defaultHeartbeatTopic, heartbeatWildcard } from '../../agent/protocol/subjects.ts';
import type { CountAndCpu } from './throughput.ts';
import { report } from './worker.ts';

const connection = await connect({ servers: process.argv[2] ?? '' });
let received = 0;
connection.subscribe(heartbeatWildcard(defaultHeartbeatTopic), { callback: () => void received++ });
const cpu = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};
setInterval(() => report({ count: received, cpuUs: cpu() } satisfies CountAndCpu), 250);
