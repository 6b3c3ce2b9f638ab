// Defines the columns of `node list`, in Bacalhau's formats.
import { isUnverified, type ShownNode, statusOf } from '../../../api/answers.ts';
import { shortDuration, sizeText } from '../../../output/units.ts';
import { zeroTime } from '../../../protocol/node-info.ts';
import type { Resources } from '../../../protocol/resources.ts';
import { printable } from '../../../system/printable.ts';

type Column = readonly [title: string, cell: (node: ShownNode) => string];

/** The columns of the default table. */
const narrow: readonly Column[] = [
  ['ID', node => node.Info.NodeID],
  ['TYPE', node => node.Info.NodeType || none],
  ['APPROVAL', node => node.Membership || none],
  ['STATUS', statusOf],
];

/** Returns the columns of the default table for these nodes: with the notes when there are any. */
export function narrowFor(nodes: readonly ShownNode[]): readonly Column[] {
  return nodes.some(node => notes(node) !== none) ? [...narrow, ['NOTE', notes]] : narrow;
}

/** The columns of the wide table. The labels are last, because long labels would hide the columns after them. */
export const wide: readonly Column[] = [
  ...narrow,
  ['CPU', capacity('CPU', cores => cores.toFixed(1))],
  ['MEMORY', capacity('Memory', sizeText)],
  ['DISK', capacity('Disk', sizeText)],
  ['GPU', capacity('GPU', String)],
  ['VERSION', node => printable(node.Info.Agent?.Version || node.Info.BacalhauVersion.GitVersion) || none],
  ['HOSTNAME', node => printable(node.Info.Hostname ?? '') || none],
  ['LAST SEEN', lastSeen],
  ['FINGERPRINT', fingerprintCell],
  ['NOTE', ({ Muster }) => (Muster?.Conflict ? 'conflict' : none)],
  ['CONDITIONS', conditions],
  ['LABELS', labels],
];

const none = '-';

/** Returns what to know before the node is approved. */
function notes(node: ShownNode): string {
  const all = [node.Muster?.Conflict ? 'conflict' : '', isUnverified(node) ? 'unverified' : ''];
  return all.filter(note => note !== '').join(',') || none;
}

/** Returns the types of the conditions. `node describe` shows the reasons. */
function conditions({ Info }: ShownNode): string {
  return Info.Conditions?.map(({ Type }) => printable(Type)).join(',') || none;
}

/** Returns a function for a cell with the available and the offered amount. A requester offers nothing. */
function capacity(name: 'CPU' | 'Memory' | 'Disk' | 'GPU', format: (amount: number) => string) {
  return ({ Info }: ShownNode): string => {
    if (Info.NodeType === 'Requester') return none;
    const { AvailableCapacity, MaxCapacity } = Info.ComputeNodeInfo;
    const amount = (from: Resources) => format(from[name] ?? 0);
    return `${amount(AvailableCapacity)} / ${amount(MaxCapacity)}`;
  };
}

function lastSeen({ Info, ConnectionState, Muster }: ShownNode): string {
  if (Info.NodeType === 'Requester') return none;
  if (Muster?.Silence !== undefined) return `${shortDuration(Muster.Silence)} ago`;
  const time = ConnectionState?.LastHeartbeat;
  return time && time !== zeroTime ? time : 'never';
}

/** Returns the fingerprint of the key by which alone the node may connect. A requester has none. */
function fingerprintCell({ Info, Muster }: ShownNode): string {
  if (Info.NodeType === 'Requester') return none;
  return printable(Muster?.Fingerprint ?? '') || 'unverified';
}

function labels({ Info }: ShownNode): string {
  const pairs = Object.entries(Info.Labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return printable(pairs.sort().join(' ')) || none;
}
