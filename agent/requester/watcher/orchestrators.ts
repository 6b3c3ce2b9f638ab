// Tells of an orchestrator of Bacalhau that keeps the nodes on the same NATS: both would answer them, and write their records.
import type { NodeInfo } from '../../protocol/node-info.ts';
import type { NodeState } from '../../protocol/node-state.ts';
import type { Log } from '../../system/log.ts';
import type { Peers } from './peers.ts';

/** Number of requesters on the roll that are asked for. Each that is gone costs one question to the broker. */
const mostAsked = 32;

export interface OrchestratorsOptions {
  /** This requester. */
  self: Pick<NodeInfo, 'NodeID'>;
  peers: Pick<Peers, 'list' | 'isThere'>;
  records: { list(): Iterable<NodeState> };
  log: Log;
}

/** Warns of each orchestrator on the roll that runs. The requester calls it when it has started. Never rejects. */
export async function warnOfOrchestrators({
  self,
  peers,
  records,
  log,
}: OrchestratorsOptions): Promise<void> {
  const ours = new Set([self.NodeID, ...peers.list().map(({ requester }) => requester)]);
  const others: string[] = [];
  for (const { Info } of records.list())
    if (Info.NodeType === 'Requester' && !ours.has(Info.NodeID) && others.length < mostAsked)
      others.push(Info.NodeID);
  for (const requester of others) {
    // Without a connection nobody is heard, and nobody has to be told.
    const isThere = await peers.isThere(requester).catch(() => false);
    if (isThere)
      log.warn(
        { requester },
        'an orchestrator of Bacalhau keeps the nodes of this NATS too, and both answer them: stop one of the two',
      );
  }
}
