// The note of a node says in a few words what is wrong with it, or what its operator should know of it.
import { isUnverified, type ListedNode } from '../protocol/listed-node.ts';
import { zeroTime } from '../protocol/node-info.ts';
import { printable } from '../system/printable.ts';
import { shortDuration } from './units.ts';

/** Length of the longest reason in a note, in characters. `muster node describe` shows all of it. */
const maxReasonLength = 200;

/** What the note of a node depends on besides the node. */
export interface NoteFacts {
  /** The present time, by the clock of the requester where it is known. */
  readonly now: Date;
  /** Number of the requesters in the list. */
  readonly requesters: number;
}

/**
 * Returns the note of a node, such as `GpuMissing, left 3m ago`; empty when there is nothing to say. A requester has none,
 * unless it is the one of several that watches.
 */
export function noteOf(node: ListedNode, facts: NoteFacts): string {
  const { Info, Muster } = node;
  if (Info.NodeType === 'Requester') return Muster?.Watches && facts.requesters > 1 ? 'watches' : '';
  const notes = [
    Muster?.Conflict ? 'conflict' : '',
    ...(Info.Conditions ?? []).map(({ Type }) => printable(Type, maxReasonLength)),
    silenceNote(node, facts.now),
    isUnverified(node) ? 'unverified' : '',
  ];
  return notes.filter(note => note !== '').join(', ');
}

/** The error with which Bacalhau names a node that said that it stops. */
const leftError = 'graceful shutdown';

// A node that was rejected sends nothing, so its silence is no news.
function silenceNote({ Membership, ConnectionState, Muster }: ListedNode, now: Date): string {
  if (!Muster || Muster.Health === 'HEALTHY' || Membership === 'REJECTED') return '';
  const heardAt = timeIn(ConnectionState?.LastHeartbeat);
  if (ConnectionState?.LastError === leftError)
    return `left ${agoIn(timeIn(ConnectionState.DisconnectedSince) ?? heardAt, now)}`.trimEnd();
  const silentMs = Muster.Silence ?? (heardAt === undefined ? undefined : now.getTime() - heardAt);
  return silentMs === undefined ? 'never heard' : `silent for ${shortDuration(silentMs)}`;
}

const agoIn = (atMs: number | undefined, now: Date): string =>
  atMs === undefined ? '' : `${shortDuration(now.getTime() - atMs)} ago`;

/** Returns a time in milliseconds since 1970; undefined for Go's zero time, which means "no time". */
const timeIn = (time: string | undefined): number | undefined =>
  time === undefined || time === zeroTime ? undefined : Date.parse(time);
