// Decides whether a program beside the agent may do the work of an approved node, with the node's key. It is a pure function
// of what is known of the node.
import type { Refusal } from '../../protocol/refusal.ts';
import { refusalOf } from './access-rules.ts';
import type { LiveConnection } from './live-connection.ts';

export interface WorkFacts {
  node: string;
  key: string;
  /** The address from which the program connects. */
  host: string;
  /** The random value of its process. */
  instance: string;
  /** Whether something is opened for the node, which is so only while it is approved. */
  isGranted: boolean;
  /** The present connection of the node's agent, and that of another program of this node. */
  agent: LiveConnection | undefined;
  other: LiveConnection | undefined;
}

/**
 * Returns why the program is refused; undefined when it may work. Whoever copied the key elsewhere gets no work, because the
 * program must come from the address of the agent.
 */
export function refuseWork({
  node,
  key,
  host,
  instance,
  isGranted,
  agent,
  other,
}: WorkFacts): Refusal | undefined {
  const refuse = (code: 'unavailable' | 'clone', reason: string, hint: string) =>
    refusalOf(key, code, reason, hint, { id: node, key });
  if (!isGranted)
    return refuse(
      'unavailable',
      `nothing is opened for node ${node}: it is not approved, or the requester has no broker.approved`,
      'approve the node, and set broker.approved on the requester',
    );
  if (!agent)
    return refuse(
      'unavailable',
      `the agent of node ${node} is not connected`,
      'start the agent, and then this program',
    );
  if (agent.host !== host)
    return refuse(
      'clone',
      `a program wants to work for node ${node} from ${host}, and the agent connects from ${agent.host}`,
      'run the program on the machine of the agent, and let both reach the broker by the same address',
    );
  if (!other) return undefined;
  // The broker may not have noticed yet that the process lost its earlier connection.
  if (other.instance === instance)
    return refuse('unavailable', `this program works for node ${node} already`, 'wait, and connect again');
  return refuse(
    'clone',
    `another program works for node ${node} already`,
    "stop one of them. If one is not yours, somebody has the node's key: run muster agent rotate-key on the node",
  );
}
