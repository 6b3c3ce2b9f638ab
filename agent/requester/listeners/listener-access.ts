// What a connection of a listener may do on the broker. It is a pure function of its record and of what it asks for.
import {
  type CalloutAnswer,
  type CalloutQuestion,
  listenersAccount,
  liveAccount,
  nodesAccount,
  type Permissions,
} from '../../protocol/callout.ts';
import { durableInbox, liveUser, workUser } from '../../protocol/listener.ts';
import { type SubjectTemplates, subjectForAll } from '../../protocol/subject-template.ts';
import {
  ackWildcard,
  nodeEventsWildcard,
  pullSubject,
  requesterEventsWildcard,
} from '../../protocol/subjects.ts';
import type { ListenerRecord } from './listener-record.ts';

/**
 * What a connection of a listener is for: to read the events of its durable, to hear events as they are sent, or to speak with
 * approved nodes.
 */
export type ListenerUse = 'durable' | 'live' | 'work';

/** Returns the token that a client shows: alone, or as the password of a user that is named for the use. */
export function shownToken({ offers }: Pick<CalloutQuestion, 'offers'>): { token: string; use: ListenerUse } {
  if (offers.user === liveUser) return { token: offers.password, use: 'live' };
  if (offers.user === workUser) return { token: offers.password, use: 'work' };
  return { token: offers.token, use: 'durable' };
}

/** Says why a listener may not speak with approved nodes; undefined when it may, or does not want to. */
export function whyNoWork(
  use: ListenerUse,
  { work }: Pick<ListenerRecord, 'work'>,
  approved: SubjectTemplates,
): string | undefined {
  if (use !== 'work') return undefined;
  if (!work) return 'it was made without --work';
  return isOpen(approved) ? undefined : 'nothing is opened for them (broker.approved)';
}

/** Returns whether the settings open anything for approved nodes. */
export const isOpen = ({ publish, subscribe }: SubjectTemplates): boolean =>
  publish.length > 0 || subscribe.length > 0;

/** Returns the answer that lets a listener in. `approved` is what is opened for approved nodes. */
export function listenerAnswer(
  name: string,
  { durable, expires }: Pick<ListenerRecord, 'durable' | 'expires'>,
  use: ListenerUse,
  approved: SubjectTemplates,
  now: Date,
): CalloutAnswer {
  const lastsSeconds =
    expires === undefined ? undefined : Math.max(1, Math.floor((Date.parse(expires) - now.getTime()) / 1000));
  const common = { name: brokerNameOf(name), lastsSeconds };
  if (use === 'work') return { ...common, account: nodesAccount, permissions: workPermissions(approved) };
  if (use === 'live')
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

// Such a listener says what approved nodes may hear, and hears what they may say. It is in another account than the other
// listeners: one of those could have stored events sent to any subject of its account, and so also as work to nodes.
const workPermissions = ({ publish, subscribe }: SubjectTemplates): Permissions => ({
  publish: subscribe.map(subjectForAll),
  subscribe: publish.map(subjectForAll),
  mayAnswer: false,
});

/** Returns the name by which the broker lists the connections of a listener. */
export const brokerNameOf = (name: string): string => `${namePrefix}${name}`;
/** Returns the listener in such a name; undefined for another client. */
export const listenerNameOf = (brokerName: string): string | undefined =>
  brokerName.startsWith(namePrefix) ? brokerName.slice(namePrefix.length) : undefined;

const namePrefix = 'listener ';
