// Receives the heartbeats of all nodes. This code runs most often of all, so an ignored heartbeat leaves nothing in memory.
import { bacalhauHeartbeatTopics } from '../../protocol/bacalhau-releases.ts';
import { ProtocolError } from '../../protocol/error.ts';
import { decodeHeartbeat, heartbeatOf } from '../../protocol/heartbeat.ts';
import type { NodeState } from '../../protocol/node-state.ts';
import {
  heartbeatNodeIdPlace,
  heartbeatNodeIdReader,
  heartbeatWildcard,
  isEnveloped,
  unverifiedPrefix,
} from '../../protocol/subjects.ts';
import { isIdIn, readUsualHeartbeat, type UsualHeartbeat } from '../../protocol/usual-heartbeat.ts';
import type { Clock } from '../../system/clock.ts';
import { limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import type { Connection, Message, Subscription } from '../../transport/port.ts';
import type { Counters } from '../status/counters.ts';

export interface HeartbeatsOptions {
  connection: Connection;
  clock: Clock;
  log: Log;
  /** The setting `requester.heartbeatTopic`. */
  topic: string;
  counters: Counters;
  /** The records of the nodes on the roll. */
  records: { get(id: string): NodeState | undefined };
  health: {
    markUsual(heard: UsualHeartbeat): boolean;
    markHeard(id: string, session: string | undefined, sequence: number): boolean;
    markAlive(id: string, sequence: number): void;
  };
  conflicts: { onOtherSession(state: NodeState, sender: { session?: string | undefined }): void };
  waiting: { markHeard(id: string): void };
  /** Whether nodes without a key are let in, whose heartbeats come on subjects of their own. */
  hasUnverified: boolean;
  /** Whether the broker is another one than the requester's own, on which nodes of Bacalhau need no subjects of their own. */
  isShared: boolean;
  /** Returns whether a node has a key. Then only the heartbeats that its key sends count. */
  hasKey?(id: string): boolean;
}

/** Subscribes to the heartbeats of all nodes. */
export function subscribeToHeartbeats(options: HeartbeatsOptions): Subscription {
  const { counters, records, health, conflicts, waiting } = options;
  const limited = limitedLog(options.log, options.clock);
  const ignore = (reason: string, node: string | undefined, message: Message, err?: ProtocolError) => {
    const fields = { node, subject: message.subject, ...(err ? { err } : {}) };
    limited.warn(reason, fields, `heartbeat ignored: ${reason}`);
  };
  const receive = (message: Message, { isVerified, namesSession, nodeIdOf, nodeIdPlace }: Sent) => {
    counters.heartbeats++;
    const usual = isVerified ? readUsualHeartbeat(message.data) : undefined;
    const isUsual = usual && (!nodeIdPlace || isIdIn(message.subjectBytes, nodeIdPlace, usual));
    if (isUsual && health.markUsual(usual)) return;
    const inSubject = nodeIdOf(message.subject);
    try {
      const heartbeat = usual ? heartbeatOf(usual) : decodeHeartbeat(message.data);
      const id = heartbeat.NodeID;
      if (inSubject !== undefined && inSubject !== id) {
        counters.heartbeatsMalformed++;
        return ignore('the subject names another node than the message', inSubject, message);
      }
      if (!isVerified && options.hasKey?.(id)) {
        counters.heartbeatsUnknown++;
        return ignore('its sender has no key, and the node has one', id, message);
      }
      if (health.markHeard(id, heartbeat.session, heartbeat.Sequence)) return;
      const state = records.get(id);
      if (state?.Info.NodeType !== 'Compute') {
        counters.heartbeatsUnknown++;
        return ignore('no such node on the roll', id, message);
      }
      if (state.Muster?.Session !== heartbeat.session && (namesSession || heartbeat.session)) {
        counters.heartbeatsOtherSession++;
        ignore('it belongs to another registration of this node', id, message);
        return conflicts.onOtherSession(state, { session: heartbeat.session });
      }
      health.markAlive(id, heartbeat.Sequence);
      if (state.Membership === 'PENDING') waiting.markHeard(id);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      counters.heartbeatsMalformed++;
      ignore('it cannot be read', inSubject, message, error);
    }
  };
  const { connection, hasUnverified, isShared } = options;
  const subscribe = (topic: string, prefix: string, by: Sender): Subscription => {
    const readId = heartbeatNodeIdReader(topic);
    const nodeIdOf = (subject: string) => readId(subject.slice(prefix.length));
    const sent = { ...by, nodeIdOf, nodeIdPlace: heartbeatNodeIdPlace(`${prefix}${topic}`) };
    return connection.subscribe(`${prefix}${heartbeatWildcard(topic)}`, message => receive(message, sent));
  };
  // Agents of muster send on the topic of the settings, which has no session where it has no place for the node id.
  const own = { isVerified: true, namesSession: isEnveloped(options.topic) };
  // Whoever chooses a topic of its own on a shared NATS wants to hear nothing else, such as the nodes of another cluster there.
  const foreign = bacalhauHeartbeatTopics.filter(topic => topic !== options.topic);
  const subscriptions = [
    subscribe(options.topic, '', own),
    ...(isShared && bacalhauHeartbeatTopics.includes(options.topic)
      ? foreign.map(topic => subscribe(topic, '', { isVerified: true, namesSession: true }))
      : []),
    ...(hasUnverified
      ? [options.topic, ...foreign].map(topic =>
          subscribe(topic, unverifiedPrefix, { isVerified: false, namesSession: true }),
        )
      : []),
  ];
  return { unsubscribe: () => subscriptions.forEach(subscription => void subscription.unsubscribe()) };
}

/** Who sends a heartbeat: with a key that the broker checked, and so that it would name a session if there was one. */
interface Sender {
  isVerified: boolean;
  namesSession: boolean;
}

/** How a heartbeat was sent, and where the id of its node is in its subject, if it is there. */
interface Sent extends Sender {
  nodeIdOf(subject: string): string | undefined;
  nodeIdPlace: { before: number; after: number } | undefined;
}
