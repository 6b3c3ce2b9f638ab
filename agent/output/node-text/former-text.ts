// Says for people that a node was here before, what was decided about it then, and who removed it, when and why.

import type { TextRow } from '../../protocol/explanation.ts';
import type { ListedNode } from '../../protocol/listed-node.ts';
import { operatorText } from '../../protocol/operator-text.ts';
import type { ShownTombstone } from '../../protocol/tombstone.ts';
import { timeText } from '../../protocol/unit-text.ts';

/** Returns the rows about the time before a node was deleted or forgotten; none when it never was. */
export function formerRows({ Muster }: ListedNode, now: Date): TextRow[] {
  const { Former } = Muster ?? {};
  if (!Former) return [];
  const { LastSeenAt, UndeletedAt, UndeletedBy, Fingerprint, LabelsLost, Shortened } = Former;
  const key = Fingerprint !== undefined && Fingerprint !== Muster?.Fingerprint ? Fingerprint : undefined;
  const title = 'was here before';
  const rows: (TextRow | undefined)[] = [
    ...(Shortened ? [] : [[title, wasText(Former, now)] satisfies TextRow]),
    [Shortened ? title : '', goneText(Former, now)],
    Shortened ? ['', 'more is not known, because many nodes went after it'] : undefined,
    LastSeenAt ? ['', `last heard before that: ${timeText(LastSeenAt, now)}`] : undefined,
    key ? ['', `with another key, ${key}`] : undefined,
    LabelsLost ? ['', 'its labels of the control plane were too many to be kept'] : undefined,
    UndeletedAt ? ['', `brought back by ${UndeletedBy ?? '?'}, ${timeText(UndeletedAt, now)}`] : undefined,
  ];
  return rows.filter(row => row !== undefined);
}

/** Returns the rows about the ids that a node had before operators renamed it. */
export function formerIdRows({ Muster }: ListedNode, now: Date): TextRow[] {
  return (Muster?.FormerIDs ?? []).map(({ ID, At, Actor, ClaimedActor, Reason }, index) => {
    const who = Actor ? ` by ${operatorText(Actor, ClaimedActor)}` : '';
    const why = Reason ? `, because: ${Reason}` : '';
    return [index === 0 ? 'former ids' : '', `${ID}, renamed${who}, ${timeText(At, now)}${why}`];
  });
}

/** Returns what a node was, such as `approved by ada, 2026-01-31 … (3 days ago)`. */
function wasText({ Membership, Decision }: ShownTombstone, now: Date): string {
  if (!Decision || Membership === 'PENDING') return (Membership ?? 'unknown').toLowerCase();
  const { Action, Actor, ClaimedActor, At, Reason } = Decision;
  const done = { approve: 'approved', reject: 'rejected' }[Action] ?? Action;
  const who = Actor ? ` by ${operatorText(Actor, ClaimedActor)}` : '';
  return `${done}${who}, ${timeText(At, now)}${Reason ? `, because: ${Reason}` : ''}`;
}

/** Returns how a node went, such as `deleted by ada, 2026-01-31 … (3 days ago), because: its disk is broken`. */
function goneText({ Forgotten, Actor, ClaimedActor, GoneAt, Reason }: ShownTombstone, now: Date): string {
  const who = Actor ? ` by ${operatorText(Actor, ClaimedActor)}` : '';
  const why = Reason ? `, because: ${Reason}` : '';
  return `${Forgotten ? 'forgotten' : 'deleted'}${who}, ${timeText(GoneAt, now)}${why}`;
}
