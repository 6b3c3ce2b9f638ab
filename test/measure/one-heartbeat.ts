// This worker measures one heartbeat without a broker: decode it, check it and note it. Argument: how many nodes there are.
import { encodeHeartbeat } from '../../agent/protocol/heartbeat.ts';
import { defaultHeartbeatTopic, heartbeatSubject } from '../../agent/protocol/subjects.ts';
import { HealthWatch } from '../../agent/requester/health/health-watch.ts';
import { subscribeToHeartbeats } from '../../agent/requester/health/heartbeats.ts';
import { newCounters } from '../../agent/requester/status/counters.ts';
import { systemClock } from '../../agent/system/clock.ts';
import { silentLog } from '../../agent/system/log.ts';
import type { Message, MessageSubscription } from '../../agent/transport/port.ts';
import { FakeBroker, FakeConnection, noSubscription } from '../support/fake-connection.ts';
import { nodeIdOf, recordOf, sessionOf } from './simulated-nodes.ts';
import { report } from './worker.ts';

const nodes = Number(process.argv[2]);
/** The best of this many windows counts, because other programs on the machine disturbed it least. */
const windowCount = 8;
const heartbeats = 100_000;

/** A connection that passes messages to the subscriber directly. */
class DirectConnection extends FakeConnection {
  deliver: (message: Message) => void = () => undefined;
  override subscribe(_subject: string, handler: (message: Message) => void): MessageSubscription {
    this.deliver = handler;
    return noSubscription;
  }
}

const shared = { clock: systemClock, log: silentLog };
const counters = newCounters();
const connection = new DirectConnection(new FakeBroker(systemClock));
const health = new HealthWatch({
  ...shared,
  connection,
  instance: 'bench',
  limits: { disconnectedAfterMs: 45_000, unknownAfterMs: 90_000 },
  checkIntervalMs: 5_000,
  announcer: {
    announceHealth: () => undefined,
    announcedHealth: () => 'UNKNOWN' as const,
    announceDegraded: () => undefined,
  },
});
health.start();
const records = new Map(Array.from({ length: nodes }, (_, index) => [nodeIdOf(index), recordOf(index)]));
for (const [id, state] of records) {
  health.add(id, 'HEALTHY');
  health.followRecord(id, state);
}
subscribeToHeartbeats({
  ...shared,
  connection,
  topic: defaultHeartbeatTopic,
  hasUnverified: false,
  isShared: false,
  counters,
  records,
  health,
  conflicts: { onOtherSession: () => undefined },
  waiting: { markHeard: () => undefined },
});

// Heartbeats come in random order, so what is known of each node is in no cache. The message itself is, as what comes from a socket
// is: it is copied to one small piece of memory just before it is delivered.
const order = Array.from({ length: nodes }, (_, index) => ({ index, at: Math.random() })).sort(
  (a, b) => a.at - b.at,
);
const parts = order.map(({ index }) => {
  const id = nodeIdOf(index);
  const data = encodeHeartbeat({ NodeID: id, Sequence: 1 }, sessionOf(index), new Date());
  return [Buffer.from(heartbeatSubject(defaultHeartbeatTopic, id)), Buffer.from(data)] as const;
});
const [subjectBytes = 0, dataBytes = 0] = parts[0]?.map(({ length }) => length) ?? [];
const received = Buffer.concat(parts.flat());
parts.length = 0;

/** As large as what a socket reads at once. */
const socketBuffer = Buffer.alloc(64 * 1024);
const messageBytes = subjectBytes + dataBytes;
const messagesAtOnce = Math.floor(socketBuffer.length / messageBytes);

/** A message as the transport hands it over: a text of its subject is made only for who asks. */
class ReceivedMessage implements Message {
  readonly subjectBytes: Buffer;
  readonly data: Buffer;
  readonly reply = '';

  constructor(at: number) {
    this.subjectBytes = socketBuffer.subarray(at, at + subjectBytes);
    this.data = socketBuffer.subarray(at + subjectBytes, at + messageBytes);
  }

  get subject(): string {
    return this.subjectBytes.toString('latin1');
  }

  header(): string {
    return '';
  }

  respond(): boolean {
    return false;
  }
}

let turn = 0;
function receive(): Message {
  const from = (turn % nodes) * messageBytes;
  const at = (turn % messagesAtOnce) * messageBytes;
  turn++;
  received.copy(socketBuffer, at, from, from + messageBytes);
  return new ReceivedMessage(at);
}

/** Counts something of each message that is only made, so that its making is not left out. */
let dropped = 0;

/** Measures the CPU time of one heartbeat with garbage collection, in nanoseconds. */
function cost(handle: (message: Message) => void): number {
  const before = process.cpuUsage();
  for (let count = 0; count < heartbeats; count++) handle(receive());
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / heartbeats;
}

const deliver = (message: Message) => connection.deliver(message);
const drop = (message: Message) => {
  dropped += message.subjectBytes.length;
};
for (let count = 0; count < 3; count++) cost(deliver);
for (let count = 0; count < 3; count++) cost(drop);
const costs = Array.from({ length: windowCount }, () => ({ all: cost(deliver), message: cost(drop) }));
if (counters.heartbeatsUnknown + counters.heartbeatsOtherSession + counters.heartbeatsMalformed > 0)
  throw new Error('some heartbeats were not taken');
if (dropped === 0) throw new Error('no message was made');
report(Math.min(...costs.map(({ all }) => all)) - Math.min(...costs.map(({ message }) => message)));
