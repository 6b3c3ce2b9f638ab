// Announces events of the requester itself and of what operators do besides decisions about nodes, on `requester.events`.
import {
  eventSource,
  type RequesterEventData,
  type RequesterEventKind,
  requesterEvent,
} from '../../protocol/events.ts';
import { requesterEventSubject } from '../../protocol/subjects.ts';
import type { Clock } from '../../system/clock.ts';
import type { Connection } from '../../transport/port.ts';

/** Who did something: the operator whose token was shown, and what the caller says of itself, which nothing proves. */
export interface Act {
  actor: string;
  claimedActor?: string;
  /** The id of the operation. */
  operation?: string;
}

export interface RequesterAnnouncer {
  /**
   * Announces an event of the requester. It is sent once and not stored: while the broker is away nobody receives it, but
   * the log has it. `data` must contain no secret.
   */
  announce(kind: RequesterEventKind, data: Omit<RequesterEventData, 'requester'>): void;
}

export interface RequesterEventsOptions {
  clock: Clock;
  connection: Connection;
  clusterId: string;
  requesterId: string;
  /** A random value of this process. Together with a number it makes the ids of events unique. */
  instance: string;
}

/** Returns the announcer of one requester. */
export function requesterEvents(options: RequesterEventsOptions): RequesterAnnouncer {
  const { clock, connection, clusterId, requesterId, instance } = options;
  const source = eventSource(clusterId, requesterId);
  let number = 0;
  return {
    announce(kind, data) {
      const id = `${instance}:${kind}:${++number}`;
      const time = clock.now().toISOString();
      const event = requesterEvent(kind, id, source, time, { requester: requesterId, ...data });
      connection.publish(requesterEventSubject(requesterId, kind), JSON.stringify(event));
    },
  };
}
