// What each kind of client may do on the broker. They are pure functions of the node's id and key.
import type { Permissions } from '../../protocol/callout.ts';
import { type SubjectTemplates, subjectFor } from '../../protocol/subject-template.ts';
import {
  aliveAnswerSubject,
  eventWildcard,
  heartbeatSubject,
  inboxPrefix,
  isEnveloped,
  whySubject,
} from '../../protocol/subjects.ts';

/**
 * What a node may do: speak for itself, and hear its own events and answers. It may not answer whatever it receives: it
 * receives its events as the requester sends them to the store, and could answer in place of the store. `granted` is what
 * an operator opened for it besides.
 */
export function nodePermissions(
  id: string,
  key: string,
  heartbeatTopic: string,
  granted: SubjectTemplates,
): Permissions {
  const opened = subjectsFor(id, granted);
  return {
    publish: [
      `node.management.${id}.>`,
      // A topic without the id would let a node speak for others.
      ...(isEnveloped(heartbeatTopic) ? [heartbeatSubject(heartbeatTopic, id)] : []),
      aliveAnswerSubject(id),
      whySubject(key),
      ...opened.publish,
    ],
    subscribe: [eventWildcard(id), `${inboxPrefix(key)}.>`, `node.compute.${id}.>`, ...opened.subscribe],
    mayAnswer: false,
  };
}

/**
 * What a program beside the agent may do: use what an operator opened for the node, and hear answers in an inbox of its
 * own.
 */
export function workPermissions(id: string, key: string, granted: SubjectTemplates): Permissions {
  const { publish, subscribe } = subjectsFor(id, granted);
  return { publish, subscribe: [...subscribe, `${inboxPrefix(key)}.work.>`], mayAnswer: false };
}

const subjectsFor = (id: string, { publish, subscribe }: SubjectTemplates): SubjectTemplates => ({
  publish: publish.map(template => subjectFor(template, id)),
  subscribe: subscribe.map(template => subjectFor(template, id)),
});

/** What a refused key may do: ask why it was refused. */
export const refusedPermissions = (key: string): Permissions => ({
  publish: [whySubject(key)],
  subscribe: [`${inboxPrefix(key)}.>`],
  mayAnswer: false,
});
