// What a connection of a listener may do on the broker. It is a pure function of its record and of what it asks for.
import {
  type CalloutAnswer,
  type CalloutQuestion,
  listenersAccount,
  liveAccount,
} from '../../protocol/callout.ts';
import { durableInbox, liveUser } from '../../protocol/listener.ts';
import {
  ackWildcard,
  nodeEventsWildcard,
  pullSubject,
  requesterEventsWildcard,
} from '../../protocol/subjects.ts';
import type { ListenerRecord } from './listener-record.ts';

/**
 * Returns the token that a client shows: alone, or as the password of the user `live`. The latter hears events as they are
 * sent, and not those of its durable.
 */
export function shownToken({ offers }: Pick<CalloutQuestion, 'offers'>): { token: string; isLive: boolean } {
  return offers.user === liveUser
    ? { token: offers.password, isLive: true }
    : { token: offers.token, isLive: false };
}

/** Returns the answer that lets a listener in. */
export function listenerAnswer(
  name: string,
  { durable, expires }: Pick<ListenerRecord, 'durable' | 'expires'>,
  isLive: boolean,
  now: Date,
): CalloutAnswer {
  const lastsSeconds =
    expires === undefined ? undefined : Math.max(1, Math.floor((Date.parse(expires) - now.getTime()) / 1000));
  const common = { name: brokerNameOf(name), lastsSeconds };
  if (isLive)
    return {
      ...common,
      account: liveAccount,
      permissions: {
        publish: [],
        subscribe: [nodeEventsWildcard, requesterEventsWildcard],
        mayAnswer: false,
      },
    };
  return {
    ...common,
    account: listenersAccount,
    permissions: {
      publish: [pullSubject(durable), ackWildcard(durable)],
      subscribe: [`${durableInbox(durable)}.>`],
      mayAnswer: false,
    },
  };
}

/** Returns the name by which the broker lists the connections of a listener. */
export const brokerNameOf = (name: string): string => `${namePrefix}${name}`;
/** Returns the listener in such a name; undefined for another client. */
export const listenerNameOf = (brokerName: string): string | undefined =>
  brokerName.startsWith(namePrefix) ? brokerName.slice(namePrefix.length) : undefined;

const namePrefix = 'listener ';
