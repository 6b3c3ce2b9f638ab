// Defines the columns of `node list`, in Bacalhau's formats.
import { isUnverified, type ShownNode, statusOf } from '../../../api/answers.ts';
import { shortDuration, sizeText } from '../../../output/units.ts';
import { zeroTime } from '../../../protocol/node-info.ts';
import type { Resources } from '../../../protocol/resources.ts';
import { printable } from '../../../system/printable.ts';

type Column = readonly [title: string, cell: (node: ShownNode) => string];

/** The columns of both tables. */
const common: readonly Column[] = [
  ['ID', node => node.Info.NodeID],
  ['TYPE', node => node.Info.NodeType || none],
  ['APPROVAL', node => node.Membership || none],
  ['STATUS', statusOf],
];

/** Returns the columns of the default table for these nodes: with the notes when there are any. */
export function narrowFor(nodes: readonly ShownNode[]): readonly Column[] {
  const several = areSeveral(nodes);
  const cell = (node: ShownNode) => textOf([...notes(node, several), isUnverified(node) ? 'unverified' : '']);
  return nodes.some(node => cell(node) !== none) ? [...common, ['NOTE', cell]] : common;
}

/**
 * Returns the columns of the wide table for these nodes. The labels are last, because long labels would hide the columns
 * after them.
 */
export function wideFor(nodes: readonly ShownNode[]): readonly Column[] {
  const several = areSeveral(nodes);
  return [...common, ...moreColumns, ['NOTE', node => textOf(notes(node, several))], ...lastColumns];
}

const moreColumns: readonly Column[] = [
  ['CPU', capacity('CPU', cores => cores.toFixed(1))],
  ['MEMORY', capacity('Memory', sizeText)],
  ['DISK', capacity('Disk', sizeText)],
  ['GPU', capacity('GPU', String)],
  ['VERSION', node => printable(node.Info.Agent?.Version || node.Info.BacalhauVersion.GitVersion) || none],
  ['HOSTNAME', node => printable(node.Info.Hostname ?? '') || none],
  ['LAST SEEN', lastSeen],
  ['FINGERPRINT', fingerprintCell],
];

const lastColumns: readonly Column[] = [
  ['CONDITIONS', conditions],
  ['LABELS', labels],
];

const none = '-';

/** Returns what to know before the node is approved, and of one of several requesters that it watches. */
function notes({ Muster }: ShownNode, areSeveralRequesters: boolean): string[] {
  return [Muster?.Conflict ? 'conflict' : '', Muster?.Watches && areSeveralRequesters ? 'watches' : ''];
}

const textOf = (all: readonly string[]): string => all.filter(note => note !== '').join(',') || none;

/** Whether several requesters are among the nodes. A single one always watches, so nothing is said of that. */
const areSeveral = (nodes: readonly ShownNode[]): boolean =>
  nodes.filter(({ Info }) => Info.NodeType === 'Requester').length > 1;

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
