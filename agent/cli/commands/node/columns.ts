// What the columns of `node list` show of a node, in Bacalhau's formats (requester 5.1).

import { type ShownNode, statusOf } from '../../../api/answers.ts';
import { zeroTime } from '../../../protocol/node-info.ts';
import type { Resources } from '../../../protocol/resources.ts';
import { printable } from '../../../system/printable.ts';

type Column = readonly [title: string, cell: (node: ShownNode) => string];

/** What the default table shows. */
export const narrow: readonly Column[] = [
  ['ID', node => node.Info.NodeID],
  ['TYPE', node => node.Info.NodeType || none],
  ['APPROVAL', node => node.Membership || none],
  ['STATUS', statusOf],
];

/** Labels last: they have no bound, and would push the rest out of sight. */
export const wide: readonly Column[] = [
  ...narrow,
  ['CPU', capacity('CPU', cores => cores.toFixed(1))],
  ['MEMORY', capacity('Memory', bytes)],
  ['DISK', capacity('Disk', bytes)],
  ['GPU', capacity('GPU', String)],
  ['VERSION', node => printable(node.Info.Agent?.Version || node.Info.BacalhauVersion.GitVersion) || none],
  ['HOSTNAME', node => printable(node.Info.Hostname ?? '') || none],
  ['LAST SEEN', lastSeen],
  ['CONDITIONS', conditions],
  ['LABELS', labels],
];

const none = '-';

/** What is wrong with the node, in words; `describe` says why. */
function conditions({ Info }: ShownNode): string {
  return Info.Conditions?.map(({ Type }) => printable(Type)).join(',') || none;
}

/** Available / all. A requester computes nothing. */
function capacity(name: 'CPU' | 'Memory' | 'Disk' | 'GPU', format: (amount: number) => string) {
  return ({ Info }: ShownNode): string => {
    if (Info.NodeType === 'Requester') return none;
    const { AvailableCapacity, MaxCapacity } = Info.ComputeNodeInfo;
    const amount = (from: Resources) => format(from[name] ?? 0);
    return `${amount(AvailableCapacity)} / ${amount(MaxCapacity)}`;
  };
}

/** Decimal units, one digit after the point below ten: `1.5 kB`, `12 GB`. */
function bytes(amount: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'];
  let value = amount;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const rounded = Math.floor(value * 10 + 0.5) / 10;
  return `${unit > 0 && rounded < 10 ? rounded.toFixed(1) : rounded.toFixed(0)} ${units[unit]}`;
}

function lastSeen({ Info, ConnectionState, Muster }: ShownNode): string {
  if (Info.NodeType === 'Requester') return none;
  if (Muster?.Silence !== undefined) return `${age(Muster.Silence)} ago`;
  const time = ConnectionState?.LastHeartbeat;
  return time && time !== zeroTime ? time : 'never';
}

/** Milliseconds in one unit, as large as fits: `3s`, `12m`, `5h`, `2d`. */
export function age(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

function labels({ Info }: ShownNode): string {
  const pairs = Object.entries(Info.Labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return printable(pairs.sort().join(' ')) || none;
}
