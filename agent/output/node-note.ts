// The note of a node says in a few words what is wrong with it, or what its operator should know of it.
import { type Cordon, isDraining } from '../protocol/cordon.ts';
import { type BriefNode, isAlive, isUnverified } from '../protocol/listed-node.ts';
import { zeroTime } from '../protocol/node-info.ts';
import { isNeverHeard, silenceOf } from '../protocol/node-silence.ts';
import { type LastingNote, noteText } from '../protocol/note-text.ts';
import { printable } from '../system/printable.ts';

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
export function noteOf(node: BriefNode, facts: NoteFacts): string {
  let all = '';
  for (const note of notesOf(node, facts))
    all += `${all === '' ? '' : ', '}${noteText(note, facts.now.getTime())}`;
  return all;
}

/** Returns what is to be noted of a node, the most important first. */
export function notesOf(node: BriefNode, { now, requesters }: NoteFacts): LastingNote[] {
  // A list asks this of every node, and of most there is nothing to note.
  const notes: LastingNote[] = [];
  const { Info, Muster } = node;
  if (Info.NodeType === 'Requester') {
    if (Muster?.Watches && requesters > 1) notes.push(noted('watches'));
    return notes;
  }
  if (Muster?.Conflict) notes.push(noted('conflict'));
  if (Muster?.Cordon) notes.push(cordonNote(Muster.Cordon, now));
  for (const { Type } of Info.Conditions ?? []) if (Type) notes.push(noted(conditionName(Type)));
  const silence = silenceNote(node, now);
  if (silence) notes.push(silence);
  if (isUnverified(node)) notes.push(noted('unverified'));
  return notes;
}

const noted = (what: string): LastingNote => ({ what, text: what, since: null });

/**
 * Returns how a condition is named. A node may send any text, also one like `cordoned: by ada`. Whatever is not the name of a
 * condition stands between quotation marks, so that nobody takes it for words of muster.
 */
function conditionName(type: string): string {
  const text = printable(type, maxReasonLength);
  return /^[A-Z][A-Za-z0-9]*$/.test(type) ? text : `"${text.replaceAll('"', "'")}"`;
}

function cordonNote(cordon: Cordon, now: Date): LastingNote {
  const deadline = timeIn(cordon.Drain?.Deadline);
  const draining = deadline !== undefined && deadline <= now.getTime() ? 'draining late' : 'draining';
  const what = isDraining(cordon) ? draining : cordon.Drain ? 'drained' : 'cordoned';
  const why = cordon.Reason ? `: ${printable(cordon.Reason, maxReasonLength)}` : '';
  return { what, text: `${what}${why}`, since: null };
}

/** The error with which Bacalhau names a node that said that it stops. */
const leftError = 'graceful shutdown';

// A node that was rejected sends nothing, so its silence is no news.
function silenceNote(node: BriefNode, now: Date): LastingNote | undefined {
  if (isAlive(node) || node.Membership === 'REJECTED') return undefined;
  const { ConnectionState } = node;
  if (ConnectionState?.LastError === leftError) {
    const leftAt = timeIn(ConnectionState.DisconnectedSince) ?? timeIn(ConnectionState.LastHeartbeat);
    return { what: 'left', text: 'left', since: leftAt ?? null };
  }
  const silentMs = silenceOf(node, now);
  if (silentMs === undefined) return isNeverHeard(node) ? noted('never heard') : undefined;
  return { what: 'silent', text: 'silent', since: now.getTime() - silentMs };
}

/** Returns a time in milliseconds since 1970; undefined for Go's zero time, which means "no time". */
const timeIn = (time: string | undefined): number | undefined =>
  time === undefined || time === zeroTime ? undefined : Date.parse(time);
