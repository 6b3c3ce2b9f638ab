// Finds what has changed on the roll since the last pass over it. It looks at every node and notes nothing while messages come,
// so that the way of a heartbeat is the same whether a page is open or not.
import type { RollFigures, RollRow } from '../../protocol/roll-rows.ts';
import type { SeenNode } from '../directory/seen-node.ts';
import { rollFigures, rollRow } from './roll-row.ts';

export type RollChange =
  | { kind: 'row'; row: RollRow }
  | { kind: 'figures'; figures: RollFigures }
  | { kind: 'heard'; id: string; at: number }
  | { kind: 'gone'; id: string };

/** What else pages are told: that from here on all new events come, and an event as JSON. */
export type EventChange = { kind: 'following' } | { kind: 'event'; json: string };

/** What the last pass saw of a node. */
interface Kept {
  seen: SeenNode;
  isLate: boolean;
  hasPeers: boolean;
  pass: number;
}

export class RollChanges {
  readonly #kept = new Map<string, Kept>();
  /** The nodes of which a whole roll had another row than the last pass. They may be as before, or gone, at the next one. */
  readonly #shownBetween = new Set<string>();
  #pass = 0;
  #requesters = 0;

  /**
   * Yields the changes since the last pass, and undefined for each node without one, so that the caller can pause. The first
   * pass yields no rows: it only looks.
   */
  *pass(nodes: Iterable<SeenNode>, now: Date): Generator<RollChange | undefined> {
    const pass = ++this.#pass;
    let requesters = 0;
    for (const seen of nodes) {
      if (seen.state.Info.NodeType === 'Requester') requesters++;
      const before = this.#kept.get(seen.id);
      const kept = this.#keep(seen, now);
      this.#kept.set(seen.id, kept);
      if (pass === 1) yield undefined;
      else if (!before || this.#shownBetween.delete(seen.id) || isOtherRow(before, kept))
        yield { kind: 'row', row: this.#rowOf(seen, now) };
      else yield* lesserChanges(before, kept);
    }
    this.#requesters = requesters;
    for (const [id, kept] of this.#kept) {
      if (kept.pass === pass) continue;
      this.#kept.delete(id);
      this.#shownBetween.add(id);
    }
    for (const id of this.#shownBetween) if (!this.#kept.has(id)) yield { kind: 'gone', id };
    this.#shownBetween.clear();
  }

  /** Returns the row of a node as it is now, for a whole roll. */
  rowOf(seen: SeenNode, now: Date): RollRow {
    const before = this.#kept.get(seen.id);
    if (!before || isOtherRow(before, this.#keep(seen, now))) this.#shownBetween.add(seen.id);
    return this.#rowOf(seen, now);
  }

  #rowOf(seen: SeenNode, now: Date): RollRow {
    return rollRow(seen, now, this.#requesters);
  }

  /** Forgets everything. The next pass is a first one. */
  clear(): void {
    this.#kept.clear();
    this.#shownBetween.clear();
    this.#pass = 0;
  }

  #keep(seen: SeenNode, now: Date): Kept {
    const deadline = seen.state.Muster?.Cordon?.Drain?.Deadline;
    return {
      seen,
      isLate: deadline !== undefined && Date.parse(deadline) <= now.getTime(),
      hasPeers: seen.watches && this.#requesters > 1,
      pass: this.#pass,
    };
  }
}

/** Whether more than the figures of a node and the time of its last sign of life has changed. */
function isOtherRow(before: Kept, after: Kept): boolean {
  const [a, b] = [before.seen, after.seen];
  return (
    a.state !== b.state ||
    a.health !== b.health ||
    a.conflict !== b.conflict ||
    a.pinnedKey !== b.pinnedKey ||
    a.watches !== b.watches ||
    (a.reportedAt === undefined) !== (b.reportedAt === undefined) ||
    (a.liveness?.left === true) !== (b.liveness?.left === true) ||
    before.isLate !== after.isLate ||
    before.hasPeers !== after.hasPeers
  );
}

function* lesserChanges(before: Kept, after: Kept): Generator<RollChange | undefined> {
  const [a, b] = [before.seen, after.seen];
  if (a.reportedAt !== b.reportedAt || a.executions !== b.executions)
    yield { kind: 'figures', figures: rollFigures(b) };
  const heardAt = b.liveness?.lastSeenAt;
  if (heardAt !== undefined && heardAt !== a.liveness?.lastSeenAt)
    yield { kind: 'heard', id: b.id, at: heardAt };
  else yield undefined;
}
