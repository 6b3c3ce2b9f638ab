// Collects from the events which membership was announced last for each node, so that the store can be compared with it.
import type { EventData } from '../../protocol/events.ts';
import { isGoTime } from '../../protocol/node-info.ts';
import { type Membership, memberships, type RecordedChange } from '../../protocol/node-state.ts';
import { nodeIdPattern } from '../../protocol/schema.ts';
import type { AnnouncedMembership } from '../roll/stored-record.ts';
import type { MembershipEvent } from './membership-event.ts';

/** The memberships that were announced last. Events are added in the order in which they were announced. */
export class AnnouncedMemberships {
  readonly #nodes = new Map<string, AnnouncedMembership>();

  /** Returns the nodes with what was announced of each. */
  get nodes(): ReadonlyMap<string, AnnouncedMembership> {
    return this.#nodes;
  }

  /** Adds an event of `node`. An event that no requester can have published is ignored. */
  add(node: string, event: MembershipEvent): void {
    const { kind, incarnation, revision, time, data } = event;
    const membership = announcedMembership(node, event);
    if (membership === undefined) return;
    const before = this.#nodes.get(node);
    const isUnchanged = keepsMembership(kind) && before?.membership === membership;
    this.#nodes.set(node, {
      ...(isUnchanged ? before : { membership, ...decisionIn(kind, data), at: time }),
      write: { incarnation, revision, at: time },
    });
  }
}

/** Returns the membership that an event announces; undefined when the event does not count. */
export function announcedMembership(
  node: string,
  { kind, source, time, data }: MembershipEvent,
): Membership | '' | undefined {
  const membership = membershipAfter(kind, data);
  if (membership === undefined || !nodeIdPattern.test(node) || !isGoTime(time)) return undefined;
  // A requester is on the roll too. It writes its own record again by itself.
  return source.endsWith(`/${node}`) ? undefined : membership;
}

/** Returns whether a change of this kind leaves the membership of its node as it is. */
export const keepsMembership = (kind: RecordedChange['Kind']): boolean =>
  ['updated', 'rekeyed', 'cordoned', 'uncordoned', 'drained', 'labelled'].includes(kind);

// An event that changes no membership says nothing about who gave the node its membership, and why. In a flood of invented
// nodes, hundreds of thousands give way, all with the same reason and actor, which would only take memory.
const decisionIn = (
  kind: RecordedChange['Kind'],
  { reason, actor }: EventData,
): Pick<AnnouncedMembership, 'kind' | 'reason' | 'actor'> => {
  if (keepsMembership(kind)) return { kind: 'updated', reason: '', actor: '' };
  if (kind === 'expired') return { kind, reason: '', actor: '' };
  return { kind, reason: textOf(reason, 1024), actor: textOf(actor, 256) };
};

/** Returns the membership after a change of this kind; undefined when what the event claims contradicts its kind. */
function membershipAfter(
  kind: RecordedChange['Kind'],
  { current, newId }: EventData,
): Membership | '' | undefined {
  const claimed = memberships.find(known => known === current?.membership);
  switch (kind) {
    case 'approved':
      return claimed === 'APPROVED' ? claimed : undefined;
    case 'rejected':
      return claimed === 'REJECTED' ? claimed : undefined;
    case 'deleted':
    case 'expired':
      return '';
    case 'renamed':
      return newId === undefined ? claimed : '';
    default:
      return claimed;
  }
}

const textOf = (text: unknown, maxLength: number): string =>
  typeof text === 'string' ? text.slice(0, maxLength) : '';
