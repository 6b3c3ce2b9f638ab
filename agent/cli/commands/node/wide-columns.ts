// Defines the columns that only the wide table of `node list` has, in Bacalhau's formats.

import type { PrintedColumn } from '../../../output/column-printer.ts';
import type { NodeColumn } from '../../../output/node-columns.ts';
import { shortDuration, sizeText } from '../../../output/units.ts';
import type { ListedNode } from '../../../protocol/listed-node.ts';
import { zeroTime } from '../../../protocol/node-info.ts';
import type { Resources } from '../../../protocol/resources.ts';
import { printable } from '../../../system/printable.ts';

type WideColumn = NodeColumn & Pick<PrintedColumn<ListedNode>, 'rank' | 'least'>;

/** The columns between the host and the note. */
export const middleColumns: readonly WideColumn[] = [
  { title: 'CPU', cell: capacity('CPU', cores => cores.toFixed(1)), rank: 4 },
  { title: 'MEMORY', cell: capacity('Memory', sizeText), rank: 5 },
  { title: 'DISK', cell: capacity('Disk', sizeText), rank: 7 },
  { title: 'GPU', cell: capacity('GPU', String), rank: 2 },
  { title: 'VERSION', cell: versionOf, rank: 6, least: 10 },
  { title: 'LAST HEARD', cell: (node, { now }) => lastSeen(node, now), rank: 3 },
  { title: 'FINGERPRINT', cell: fingerprintCell, rank: 9 },
];

/** The labels are last, because long labels would hide the columns after them. */
export const labelColumn: WideColumn = { title: 'LABELS', cell: labels, rank: 8, least: 12 };

/**
 * Returns a function for a cell with the available and the offered amount, and a dash for what is not known, as of a node that is
 * silent. A requester offers nothing.
 */
function capacity(name: 'CPU' | 'Memory' | 'Disk' | 'GPU', format: (amount: number) => string) {
  return ({ Info }: ListedNode): string => {
    if (Info.NodeType === 'Requester') return '';
    const { AvailableCapacity, MaxCapacity } = Info.ComputeNodeInfo;
    const amount = (from: Resources) => (isKnown(from) ? format(from[name] ?? 0) : '-');
    return `${amount(AvailableCapacity)} / ${amount(MaxCapacity)}`;
  };
}

// No node has nothing at all: an amount that is zero is left out, and so are all of them when none is known.
const isKnown = (resources: Resources): boolean => Object.keys(resources).length > 0;

/** Returns the version of muster on the node, or that of Bacalhau. */
export function versionOf({ Info }: ListedNode): string {
  return printable(Info.Agent?.Version || Info.BacalhauVersion.GitVersion);
}

function lastSeen({ Info, ConnectionState, Muster }: ListedNode, now: Date): string {
  if (Info.NodeType === 'Requester') return '';
  if (Muster?.Silence !== undefined) return `${shortDuration(Muster.Silence)} ago`;
  const time = ConnectionState?.LastHeartbeat;
  return time && time !== zeroTime ? `${shortDuration(now.getTime() - Date.parse(time))} ago` : 'never';
}

/** Returns the fingerprint of the key by which alone the node may connect. A requester has none. */
function fingerprintCell({ Info, Muster }: ListedNode): string {
  if (Info.NodeType === 'Requester') return '';
  return printable(Muster?.Fingerprint ?? '') || 'unverified';
}

function labels({ Info }: ListedNode): string {
  const pairs = Object.entries(Info.Labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return printable(pairs.sort().join(' '));
}
