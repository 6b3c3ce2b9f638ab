// Defines all subjects on which muster sends and receives.

export type ManagementMethod =
  | 'RegisterNode/v1'
  | 'UpdateNodeInfo/v1'
  | 'UpdateResources/v1'
  | 'Leave/v1'
  | 'RotateKey/v1';

export const managementMethods: readonly ManagementMethod[] = [
  'RegisterNode/v1',
  'UpdateNodeInfo/v1',
  'UpdateResources/v1',
  'Leave/v1',
  'RotateKey/v1',
];

const managementPrefix = 'node.management.';

/** The subject of all requests of all nodes. */
export const managementWildcard = `${managementPrefix}>`;

export const managementSubject = (nodeId: string, method: ManagementMethod): string =>
  `${managementPrefix}${nodeId}.${method}`;

/** Returns the node and the method in `subject`; undefined for a subject of another program. */
export function parseManagementSubject(
  subject: string,
): { nodeId: string; method: ManagementMethod } | undefined {
  // This is done for each request. To split the text would take several times as long.
  const end = subject.startsWith(managementPrefix) ? subject.indexOf('.', managementPrefix.length) : -1;
  if (end <= managementPrefix.length) return undefined;
  const nodeId = subject.slice(managementPrefix.length, end);
  const name = subject.slice(end + 1);
  const method = managementMethods.find(known => known === name);
  if (!method) return undefined;
  return { nodeId, method };
}

/** The subjects on which Bacalhau's nodes from 1.6 on ask by their newer protocol, and on which they send what jobs did. */
export const controlWildcard = 'bacalhau.global.compute.*.out.ctrl';
export const jobMessageWildcard = 'bacalhau.global.compute.*.out.msgs';

/** Returns the subject on which one node asks by the newer protocol. */
export const controlSubject = (nodeId: string): string => `bacalhau.global.compute.${nodeId}.out.ctrl`;

/** Returns the node in a subject of one of these two kinds. */
export const nodeInOutSubject = (subject: string): string => subject.split('.')[3] ?? '';

/** A subject on which the orchestrator of Bacalhau with this id listens. It ignores the method, which it does not know. */
export const orchestratorSubject = (id: string): string => `node.orchestrator.${id}.AreYouThere/v1`;

/** The default topic of heartbeats. Bacalhau from 1.5 on receives them there. */
export const defaultHeartbeatTopic = 'bacalhau.global.compute.{nodeId}.out.heartbeat';

/** The topic of heartbeats up to Bacalhau 1.4, which 1.5 uses as well. */
export const plainHeartbeatTopic = 'heartbeat';

const placeholder = '{nodeId}';

/** Returns the subject of the heartbeats of one node. */
export const heartbeatSubject = (topic: string, nodeId: string): string => topic.replace(placeholder, nodeId);

/** Returns the subject on which a requester receives the heartbeats of all nodes. */
export const heartbeatWildcard = (topic: string): string => topic.replace(placeholder, '*');

/**
 * Returns whether heartbeats on `topic` have an envelope. A topic without `{nodeId}` (Bacalhau up to 1.4) carries plain
 * JSON.
 */
export const isEnveloped = (topic: string): boolean => topic.includes(placeholder);

/**
 * Returns a function that reads the node id from the subject of a heartbeat; it returns undefined for a topic without
 * `{nodeId}`.
 */
export function heartbeatNodeIdReader(topic: string): (subject: string) => string | undefined {
  const before = topic.indexOf(placeholder);
  if (before < 0) return () => undefined;
  // Only subjects that match the topic arrive here. So the text after the id is as long as in the topic.
  const after = topic.length - before - placeholder.length;
  return subject => subject.slice(before, subject.length - after) || undefined;
}

/** Returns how many bytes stand before and after the node id in the subjects of a topic; undefined for a topic without `{nodeId}`. */
export function heartbeatNodeIdPlace(topic: string): { before: number; after: number } | undefined {
  const [before = '', after] = topic.split(placeholder);
  return after === undefined
    ? undefined
    : { before: Buffer.byteLength(before), after: Buffer.byteLength(after) };
}

export const eventSubject = (nodeId: string, kind: string): string => `node.events.${nodeId}.${kind}`;
/** Returns the node and the kind in the subject of an event. */
export function parseEventSubject(subject: string): { node: string; kind: string } {
  const end = subject.lastIndexOf('.');
  return { node: subject.slice('node.events.'.length, end), kind: subject.slice(end + 1) };
}
/** Returns the subject of all events of one node, or of all nodes. */
export const eventWildcard = (nodeId = '*'): string => `node.events.${nodeId}.*`;
/** Returns the subject of all events of one kind. */
export const eventKindWildcard = (kind: string): string => `node.events.*.${kind}`;
export const requesterEventSubject = (requesterId: string, kind: string): string =>
  `requester.events.${requesterId}.${kind}`;

/** The subjects of all events of nodes, and of all events of requesters. */
export const nodeEventsWildcard = 'node.events.>';
export const requesterEventsWildcard = 'requester.events.>';

/** The subject in that stream on which a requester notes that it watches from now on. */
export const watchSubject = 'muster.watch';
/** The stream in which the broker stores the events of nodes. */
export const eventStreamName = 'NODE_EVENTS';
/** Returns the subject on which the owner of a durable in the event stream asks the broker for events. */
export const pullSubject = (durable = '>'): string =>
  `$JS.API.CONSUMER.MSG.NEXT.${eventStreamName}.${durable}`;
/** Returns the subjects on which the owner of a durable tells the broker that it has dealt with an event. */
export const ackWildcard = (durable?: string): string =>
  durable === undefined ? `$JS.ACK.${eventStreamName}.>` : `$JS.ACK.${eventStreamName}.${durable}.>`;

/** The queue group of all requesters of a roll: one of them gets each message. */
export const requestersQueue = 'requesters';
/** Returns the subject on which the requesters of a roll tell each other that they are there. */
export const peersSubject = (clusterId: string): string => `requester.peers.${clusterId}`;
/** Returns the subject on which the requesters of a roll hear that they should hold their writes. */
export const freezeSubject = (clusterId: string): string => `requester.freeze.${clusterId}`;
/** Returns the subject on which the requester that watches over a roll answers that it is alive. */
export const leaseSubject = (clusterId: string): string => `requester.lease.${clusterId}`;
/** Returns the subject on which the requesters of a roll tell each other which keys they have refused. */
export const refusedSubject = (clusterId: string): string => `requester.refused.${clusterId}`;
/** Returns the subject on which a requester receives the messages that it sends to itself to test the broker. */
export const echoSubject = (instance: string): string => `requester.echo.${instance}`;

/** The beginning of the subjects on which messages of nodes without a key come. */
export const unverifiedPrefix = 'unverified.';

/** Returns the beginning of the subjects on which the answers to a node come. `key` is the node's public key, `N…`. */
export const inboxPrefix = (key: string): string => `_INBOX.${key}`;
/** Returns the subject on which a node asks why its key was refused. */
export const whySubject = (key = '*'): string => `muster.why.${key}`;
/** Returns the subject on which a requester asks a node whether its process is alive. */
export const aliveSubject = (nodeId: string): string => `node.compute.${nodeId}.alive`;
/** Returns the subject on which the node answers that. It is the node's own, because a node may publish nowhere else. */
export const aliveAnswerSubject = (nodeId: string): string => `node.alive.${nodeId}`;
