// What operators see of the CAs of a cluster.
import type { AuthoritiesView } from '../../protocol/http-authorities.ts';
import type { AuthorityPins } from './authority-store.ts';
import { dueAuthority, type Rotation } from './rotation-file.ts';

/** Number of nodes that a view names. */
const maxNamed = 1_000;

/**
 * Returns the view. `missing` are the approved nodes that do not keep the next CA. `isForNodes` says whether nodes use the CAs
 * at all.
 */
export function authoritiesView(
  { present, former }: AuthorityPins,
  rotation: Rotation | undefined,
  missing: ReadonlySet<string>,
  isForNodes: boolean,
): Omit<AuthoritiesView, 'CA'> {
  const shown = (Pin: string | undefined, Use: string) => (Pin === undefined ? [] : [{ Pin, Use }]);
  return {
    Authorities: [...shown(present, 'present'), ...shown(rotation?.next, 'next'), ...shown(former, 'former')],
    Ready: dueAuthority(rotation) !== undefined,
    Missing: missing.size,
    MissingNodes: [...missing].sort().slice(0, maxNamed),
    ...(rotation?.forcedBy === undefined ? {} : { ForcedBy: rotation.forcedBy }),
    ...(isForNodes ? {} : { ApiOnly: true }),
  };
}
