// Takes heartbeats off the broker: the hottest path of the requester. What does not belong creates nothing.
import { ProtocolError } from '../../protocol/error.ts';
import { decodeHeartbeat } from '../../protocol/heartbeat.ts';
import type { NodeState } from '../../protocol/node-state.ts';
import { heartbeatNodeIdReader, heartbeatWildcard, isEnveloped } from '../../protocol/subjects.ts';
import type { Clock } from '../../system/clock.ts';
import { limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import type { Connection, Message, Subscription } from '../../transport/port.ts';
import type { Counters } from '../status/counters.ts';

export interface HeartbeatsOptions {
  connection: Connection;
  clock: Clock;
  log: Log;
  /** `requester.heartbeatTopic`. */
  topic: string;
  counters: Counters;
  /** The record of a node on the roll. */
  record(id: string): NodeState | undefined;
  heard(id: string, sequence: number): void;
  /** A heartbeat of a registration that is not the record's. */
  stranger(id: string): void;
}

/** Listens until unsubscribed. */
export function listenForHeartbeats(options: HeartbeatsOptions): Subscription {
  const nodeIdOf = heartbeatNodeIdReader(options.topic);
  const { counters } = options;
  // A topic without a place for the node carries plain heartbeats, which name no session.
  const namesSession = isEnveloped(options.topic);
  const limited = limitedLog(options.log, options.clock);
  const ignore = (reason: string, node: string | undefined, message: Message, err?: ProtocolError) => {
    const fields = { node, subject: message.subject, ...(err ? { err } : {}) };
    limited.warn(reason, fields, `heartbeat ignored: ${reason}`);
  };
  return options.connection.subscribe(heartbeatWildcard(options.topic), message => {
    counters.heartbeats++;
    const inSubject = nodeIdOf(message.subject);
    try {
      const beat = decodeHeartbeat(message.data);
      const id = beat.NodeID;
      if (inSubject !== undefined && inSubject !== id) {
        counters.heartbeatsMalformed++;
        return ignore('the subject names another node than the message', inSubject, message);
      }
      const state = options.record(id);
      if (state?.Info.NodeType !== 'Compute') {
        counters.heartbeatsUnknown++;
        return ignore('no such node on the roll', id, message);
      }
      if (state.Muster?.Session !== beat.session && (namesSession || beat.session)) {
        counters.heartbeatsOtherSession++;
        ignore('it belongs to another registration of this node', id, message);
        return options.stranger(id);
      }
      options.heard(id, beat.Sequence);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      counters.heartbeatsMalformed++;
      ignore('it cannot be read', inSubject, message, error);
    }
  });
}
