// Shows the nodes that are gone as a table.
import { table } from '../../../output/table.ts';
import { agoText } from '../../../output/units.ts';
import type { GoneNode } from '../../../protocol/tombstone.ts';
import { printable } from '../../../system/printable.ts';
import { operatorText } from '../actor.ts';

/** Returns the table, the latest first. `isBare` leaves the titles out. */
export function goneTable(gone: readonly GoneNode[], now: Date, isBare = false): string {
  const rows = gone.map(node => {
    const { NodeID, Membership, Forgotten, GoneAt, LastSeenAt, Actor, ClaimedActor, Reason } = node;
    return [
      NodeID,
      Membership ?? '-',
      `${Forgotten ? 'forgotten' : 'deleted'} ${agoText(GoneAt, now)}`,
      LastSeenAt ? agoText(LastSeenAt, now) : 'never',
      operatorText(Actor, ClaimedActor) || '-',
      Reason || '-',
    ].map(cell => printable(cell));
  });
  return table(isBare ? rows : [['ID', 'WAS', 'GONE', 'LAST HEARD', 'BY', 'REASON'], ...rows]);
}
