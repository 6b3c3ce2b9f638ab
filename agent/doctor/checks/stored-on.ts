// Says on how many servers of a NATS cluster the roll is stored. What is wrong there is a trouble of the requester.
import type { RequesterStatus } from '../../requester/status/requester-status.ts';
import { type Finding, ok } from './check.ts';

/** Returns the finding about a store on several servers that all have everything; none for any other. */
export function storedOnFindings({ store = [] }: Pick<RequesterStatus, 'store'>): Finding[] {
  const fewest = Math.min(...store.map(({ replicas }) => replicas));
  const isWhole = store.every(
    ({ leader, others }) => leader !== undefined && others.every(each => each.current),
  );
  if (store.length === 0 || fewest === 1 || !isWhole) return [];
  return [ok(`its store is on ${fewest} servers of the NATS cluster, and each has everything`)];
}
