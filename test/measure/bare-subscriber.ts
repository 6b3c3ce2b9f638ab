// A worker: the broker's client alone, which takes the same heartbeats and only counts them. Argument: broker.
import { connect } from 'nats';
import { defaultHeartbeatTopic, heartbeatWildcard } from '../../agent/protocol/subjects.ts';
import type { Look } from './throughput.ts';
import { report } from './worker.ts';

const connection = await connect({ servers: process.argv[2] ?? '' });
let heard = 0;
connection.subscribe(heartbeatWildcard(defaultHeartbeatTopic), { callback: () => void heard++ });
const cpu = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};
setInterval(() => report({ count: heard, cpu: cpu() } satisfies Look), 250);
