// Decides how the requester writes or refreshes its own record at its start. It is a pure function.
import type { NodeInfo } from '../../protocol/node-info.ts';
import { type NodeState, neverConnected, type RecordedChange } from '../../protocol/node-state.ts';
import { keepUnknown } from '../../protocol/unknown-members.ts';
import { MusterError } from '../../system/errors.ts';
import { infoDiffers, updatedChange } from './info-rules.ts';
import type { StoredRecord } from './stored-record.ts';

/**
 * Returns the record to write; undefined when the stored record is already right. @throws MusterError `conflict` when a
 * compute node has this id.
 */
export function ownRecord(
  stored: StoredRecord,
  info: NodeInfo,
  now: string,
): { write: NodeState; change: RecordedChange } | undefined {
  const before = stored.kind === 'record' ? stored.state : undefined;
  if (before && before.Info.NodeType !== 'Requester') {
    throw new MusterError('conflict', `the id ${info.NodeID} belongs to a compute node of this cluster`, {
      hint: 'give the requester another node.id, or delete that node',
    });
  }
  if (before?.Membership === 'APPROVED' && !infoDiffers(before.Info, info)) return undefined;
  const registered: NodeState = {
    Info: keepUnknown(info, before?.Info),
    Membership: 'APPROVED',
    Connection: 'DISCONNECTED',
    ConnectionState: neverConnected,
    Muster: { ...before?.Muster, RegisteredAt: before?.Muster?.RegisteredAt ?? now },
  };
  const write = keepUnknown(registered, before);
  if (before?.Membership === 'APPROVED') return { write, change: updatedChange(before, now) };
  const change: RecordedChange = {
    Kind: before ? 'approved' : 'registered',
    Revision: 0,
    At: now,
    Previous: before?.Membership ?? '',
    Current: 'APPROVED',
    Actor: info.NodeID,
  };
  return { write, change };
}
