// Finds the node that an operator means, where the server that was asked cannot: an orchestrator of Bacalhau knows ids by their
// beginnings only.
import { MusterError } from '../system/errors.ts';
import type { ShownNode } from './answers.ts';

/** Names that change no path. An orchestrator of Bacalhau reads no `%2F`, so it cannot be asked about an id with a slash. */
const inPath = /^[A-Za-z0-9_=-]+(?:\.[A-Za-z0-9_=-]+)*$/;

/** Returns the path of a node. @throws MusterError `not_found` for a name that no server finds */
export function nodePath(name: string): string {
  if (!inPath.test(name) || name.length > 256) throw nodeNotFound(name);
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
