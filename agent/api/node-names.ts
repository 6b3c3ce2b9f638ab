// Finds the node that an operator means, where the server that was asked cannot: an orchestrator of Bacalhau knows ids by their
// beginnings only.
import { nodeIdPattern } from '../protocol/schema.ts';
import { MusterError } from '../system/errors.ts';
import type { ShownNode } from './answers.ts';

/** Returns the path of a node. @throws MusterError `not_found` for a name that no node has */
export function nodePath(name: string): string {
  // A name with other characters could change the path of the request. No node has such an id.
  if (!nodeIdPattern.test(name)) throw nodeNotFound(name);
  return `/orchestrator/nodes/${name}`;
}

/** Returns the node with this id, or else the only one whose id begins so. @throws MusterError `not_found`, `ambiguous` */
export function findByName(name: string, nodes: readonly ShownNode[]): ShownNode {
  const found = nodes.filter(({ Info }) => Info.NodeID.startsWith(name));
  const exact = found.find(({ Info }) => Info.NodeID === name);
  const [only, second] = found;
  if (exact) return exact;
  if (!only) throw nodeNotFound(name);
  if (!second) return only;
  const ids = found.map(({ Info }) => Info.NodeID).sort();
  const shown = ids.length > 3 ? [...ids.slice(0, 3), '...'] : ids;
  throw new MusterError(
    'ambiguous',
    `multiple nodes found for prefix: ${name}, matching IDs: [${shown.join(' ')}]`,
    { hint: 'write more of the id; a decision needs the whole id of the node' },
  );
}

export function nodeNotFound(name: string, hint?: string): MusterError {
  return new MusterError('not_found', `node not found: ${name}`, hint ? { hint } : {});
}
