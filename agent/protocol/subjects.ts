// Every subject that muster speaks on, in one place (wire protocol 1.5; design 6 and 7).

export type ManagementMethod = 'RegisterNode/v1' | 'UpdateNodeInfo/v1' | 'UpdateResources/v1' | 'Leave/v1';

export const managementMethods: readonly ManagementMethod[] = [
  'RegisterNode/v1',
  'UpdateNodeInfo/v1',
  'UpdateResources/v1',
  'Leave/v1',
];

/** All requests of all nodes. */
export const managementWildcard = 'node.management.>';

export const managementSubject = (nodeId: string, method: ManagementMethod): string =>
  `node.management.${nodeId}.${method}`;

/** The node and method that `subject` names; undefined when it is none of ours. */
export function parseManagementSubject(
  subject: string,
): { nodeId: string; method: ManagementMethod } | undefined {
  const [node, management, nodeId, ...rest] = subject.split('.');
  const name = rest.join('.');
  const method = managementMethods.find(known => known === name);
  if (node !== 'node' || management !== 'management' || !nodeId || !method) return undefined;
  return { nodeId, method };
}

/** Where a node sends heartbeats unless configured otherwise: what Bacalhau ≥ 1.5 listens on. */
export const defaultHeartbeatTopic = 'bacalhau.global.compute.{nodeId}.out.heartbeat';

const placeholder = '{nodeId}';

/** The subject of one node's heartbeats. */
export const heartbeatSubject = (topic: string, nodeId: string): string => topic.replace(placeholder, nodeId);

/** The subject a requester listens on for every node's. */
export const heartbeatWildcard = (topic: string): string => topic.replace(placeholder, '*');

/** A topic without a place for the node (Bacalhau ≤ 1.4: `heartbeat`) carries plain JSON, no envelope. */
export const isEnveloped = (topic: string): boolean => topic.includes(placeholder);

/** Makes a function that reads the node id out of a heartbeat's subject; undefined where the topic has none. */
export function heartbeatNodeIdReader(topic: string): (subject: string) => string | undefined {
  const before = topic.indexOf(placeholder);
  if (before < 0) return () => undefined;
  // The broker delivers only what fits the topic: the rest of the subject is as long as the rest of the topic.
  const after = topic.length - before - placeholder.length;
  return subject => subject.slice(before, subject.length - after) || undefined;
}

export const eventSubject = (nodeId: string, kind: string): string => `node.events.${nodeId}.${kind}`;
/** Events of one node, or of all. */
export const eventWildcard = (nodeId = '*'): string => `node.events.${nodeId}.*`;
export const requesterEventSubject = (requesterId: string, kind: string): string =>
  `requester.events.${requesterId}.${kind}`;

/** Where the acting requester of a cluster answers that it is alive. */
export const leaseSubject = (clusterId: string): string => `requester.lease.${clusterId}`;
/** Where a requester hears its own echo. */
export const echoSubject = (instance: string): string => `requester.echo.${instance}`;
