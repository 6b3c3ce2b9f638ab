// Compares a node's information with its record, and limits its size.
import { writeJson } from '../../protocol/json.ts';
import { type NodeInfo, staticInfo } from '../../protocol/node-info.ts';
import type { NodeState, RecordedChange } from '../../protocol/node-state.ts';

/** The largest node information, in bytes of JSON. A record contains more data and is read up to 64 KiB. */
export const maxInfoBytes = 24 * 1024;

export const tooLarge = `the node's information is larger than ${maxInfoBytes} bytes: give it fewer labels`;

export const isTooLarge = (info: NodeInfo): boolean =>
  Buffer.byteLength(writeJson(staticInfo(info))) > maxInfoBytes;

/** Returns whether two node informations differ in a part that is stored. */
export const infoDiffers = (a: NodeInfo, b: NodeInfo): boolean =>
  a !== b && textOf(a) !== textOf(b) && comparable(a) !== comparable(b);

// Almost all information is the same as before in this form too, which takes a third of the time of the other one.
const textOf = (info: NodeInfo): string => JSON.stringify(staticInfo(info));

/** Returns the change that announces new information of a node whose membership does not change. */
export const updatedChange = (state: NodeState, now: string): RecordedChange => ({
  Kind: 'updated',
  Revision: 0,
  At: now,
  Previous: state.Membership,
  Current: state.Membership,
  Actor: state.Info.NodeID,
});

// Both sides were read by the same schema, so their members have the same order. Labels and lists are sorted, because a
// Bacalhau node sends its engines in a random order each time.
function comparable(info: NodeInfo): string {
  const { Labels, SupportedProtocols, ComputeNodeInfo, ...rest } = staticInfo(info);
  const { ExecutionEngines, Publishers, StorageSources, ...capacity } = ComputeNodeInfo;
  const names = [SupportedProtocols, ExecutionEngines, Publishers, StorageSources].map(list =>
    [...(list ?? [])].sort(),
  );
  const labels = Object.entries(Labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([rest, capacity, names, labels]);
}
