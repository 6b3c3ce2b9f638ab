// Defines the columns that only the wide table of `node list` has, in Bacalhau's formats.

import type { PrintedColumn } from '../../../output/column-printer.ts';
import type { NodeColumn } from '../../../output/node-columns.ts';
import { executionsOf, type ListedNode } from '../../../protocol/listed-node.ts';
import { isNeverHeard, silenceOf } from '../../../protocol/node-silence.ts';
import type { Resources } from '../../../protocol/resources.ts';
import { shortDuration, sizeText } from '../../../protocol/unit-text.ts';
import { printable } from '../../../system/printable.ts';

type WideColumn = NodeColumn & Pick<PrintedColumn<ListedNode>, 'rank' | 'least' | 'isOptional'>;

/** The columns between the host and the note. */
export const middleColumns: readonly WideColumn[] = [
  { title: 'CPU', cell: capacity('CPU', cores => cores.toFixed(1)), rank: 4 },
  { title: 'MEMORY', cell: capacity('Memory', sizeText), rank: 5 },
  { title: 'DISK', cell: capacity('Disk', sizeText), rank: 7 },
  { title: 'GPU', cell: capacity('GPU', String), rank: 2 },
  { title: 'VERSION', cell: versionOf, rank: 6, least: 10 },
  { title: 'LAST HEARD', cell: (node, { now }) => lastSeen(node, now), rank: 3 },
  { title: 'FINGERPRINT', cell: fingerprintCell, rank: 9 },
  { title: 'RUNNING', cell: running, rank: 10, isOptional: true },
  { title: 'ENGINES', cell: listed('ExecutionEngines'), rank: 11, isOptional: true },
  { title: 'PUBLISHERS', cell: listed('Publishers'), rank: 12, isOptional: true },
  { title: 'SOURCES', cell: listed('StorageSources'), rank: 13, isOptional: true },
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

function lastSeen(node: ListedNode, now: Date): string {
  const silenceMs = silenceOf(node, now);
  if (silenceMs !== undefined) return `${shortDuration(silenceMs)} ago`;
  return node.Info.NodeType !== 'Requester' && isNeverHeard(node) ? 'never' : '';
}

/** Returns the fingerprint of the key by which alone the node may connect. A requester has none, and an orchestrator of Bacalhau checks none. */
function fingerprintCell({ Info, Muster }: ListedNode): string {
  if (Info.NodeType === 'Requester' || !Muster) return '';
  return printable(Muster.Fingerprint ?? '') || 'unverified';
}

/** Returns a function for a cell with what a node of Bacalhau has; the agents of muster have none of it. */
function listed(name: 'ExecutionEngines' | 'Publishers' | 'StorageSources') {
  return ({ Info }: ListedNode): string =>
    printable([...(Info.ComputeNodeInfo[name] ?? [])].sort().join(' '));
}

/** Returns how much a node runs, and how much waits for its turn there, as far as it says it. */
function running(node: ListedNode): string {
  const said = executionsOf(node);
  if (!said) return '';
  return said.waiting > 0 ? `${said.running} + ${said.waiting}` : String(said.running);
}

function labels({ Info }: ListedNode): string {
  const pairs = Object.entries(Info.Labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return printable(pairs.sort().join(' '));
}
