// Says in a line for each node what changed between two looks at a list.
import type { ListFacts } from '../../../output/node-columns.ts';
import { notesOf } from '../../../output/node-note.ts';
import { type ListedNode, statusOf } from '../../../protocol/listed-node.ts';
import { printable } from '../../../system/printable.ts';

/** What is compared of a node. */
interface Seen {
  approval: string;
  status: string;
  note: string;
}

/** Time in milliseconds after a requester was away in which it may not have heard a node yet. */
const settlingMs = 60_000;

export class ListChanges {
  #seen: Map<string, Seen> | undefined;
  #width = 0;
  /** The time until which nodes that the requester has not heard count as unchanged, in milliseconds since 1970. */
  #settlingUntil = 0;

  /** Notes that the requester answers again: it may have started anew, and then it has heard nobody yet. */
  onBack(now: Date): void {
    this.#settlingUntil = now.getTime() + settlingMs;
  }

  /** Returns the lines for what changed since the look before. At the first look there is a line for each node. */
  next(nodes: readonly ListedNode[], facts: ListFacts): string[] {
    const before = this.#seen ?? new Map<string, Seen>();
    const isFirst = this.#seen === undefined;
    const seen = new Map<string, Seen>();
    const lines: string[] = [];
    const add = (id: string, text: string) => lines.push(this.#line(facts.now, id, text));
    for (const node of nodes) this.#width = Math.max(this.#width, node.Info.NodeID.length);
    for (const node of nodes) {
      const id = node.Info.NodeID;
      const past = before.get(id);
      const present = this.#seenOf(node, facts, past);
      seen.set(id, present);
      const changed = past ? changes(past, present) : `${isFirst ? 'is' : 'is new:'} ${stateText(present)}`;
      if (changed) add(id, changed);
    }
    for (const id of before.keys()) if (!seen.has(id)) add(id, 'is gone from the list');
    this.#seen = seen;
    return lines;
  }

  #seenOf(node: ListedNode, facts: ListFacts, past: Seen | undefined): Seen {
    const note = notesOf(node, facts)
      .map(({ what }) => what)
      .join(', ');
    const present = { approval: node.Membership || '-', status: statusOf(node), note };
    const isUnheard = present.status === 'UNKNOWN' && node.Muster?.Silence === undefined;
    const isSettling = isUnheard && facts.now.getTime() < this.#settlingUntil;
    return past && isSettling ? { ...past, approval: present.approval } : present;
  }

  #line(now: Date, id: string, text: string): string {
    return printable(`${now.toISOString()}  ${id.padEnd(this.#width)}  ${text}`);
  }
}

const stateText = ({ approval, status, note }: Seen): string =>
  [approval, status, note].filter(Boolean).join(', ');

function changes(past: Seen, present: Seen): string {
  const pairs = [
    [past.approval, present.approval],
    [past.status, present.status],
  ];
  const changed = pairs.flatMap(([a, b]) => (a === b ? [] : `${a} -> ${b}`));
  if (past.note !== present.note) changed.push(`note: ${present.note || 'none'}`);
  return changed.join(', ');
}
