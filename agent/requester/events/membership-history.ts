// The membership history holds the newest event of each kind of change of each node. It reads an event only when somebody
// asks what the event says: reading all of 200 000 events would delay a start by seconds.
import { type MembershipKind, parseRevisionEventId } from '../../protocol/events.ts';
import { maxMessageBytes } from '../../protocol/json.ts';
import { AnnouncedMemberships, announcedMembership, keepsMembership } from './announced-memberships.ts';
import { type ChangeEvent, digestOf, isSameEvent } from './change-event.ts';
import { type MembershipEvent, readEventId, readMembershipEvent } from './membership-event.ts';

/** The room for events that were not read. */
export interface UnreadRoom {
  /** Size of the blocks that events are copied to, in bytes. */
  blockBytes: number;
  /** Number of blocks. When they are full, all events are read, and only their digests are kept. */
  maxBlocks: number;
}

/** 128 MiB hold the changes of 100 000 nodes. They are freed when the roll is loaded. */
const usualRoom: UnreadRoom = { blockBytes: 1024 * 1024, maxBlocks: 128 };

interface HeldEvent {
  kind: MembershipKind;
  /** The block that has the event between `start` and `end`; undefined when only the digest is kept. */
  block: Buffer | undefined;
  start: number;
  end: number;
  digest: string;
  /** The event of the node before this one. */
  previous: HeldEvent | undefined;
}

export class MembershipHistory {
  readonly #room: UnreadRoom;
  /** The newest event of each node. */
  readonly #newest = new Map<string, HeldEvent>();
  readonly #revisions = new Map<string, number>();
  readonly #memberships = new AnnouncedMemberships();
  #blocks = 0;
  #block = Buffer.alloc(0);
  #used = 0;

  constructor(room = usualRoom) {
    this.#room = room;
  }

  /** Adds the newest message of a kind. Messages are added in the order in which they were stored. */
  add(node: string, kind: MembershipKind, bytes: Uint8Array): void {
    if (bytes.length > maxMessageBytes) return;
    if (this.#used + bytes.length > this.#block.length) this.#beginBlock(bytes.length);
    const start = this.#used;
    const end = start + bytes.length;
    // The message is copied, because it keeps a whole chunk of what came from the broker.
    this.#block.set(bytes, start);
    const id = readEventId(this.#block, start, end) ?? readMembershipEvent(node, kind, bytes)?.id ?? '';
    const write = parseRevisionEventId(id);
    if (write?.node !== node) return;
    this.#used = end;
    const { incarnation, revision } = write;
    if (incarnation && this.newestRevision(incarnation) < revision)
      this.#revisions.set(incarnation, revision);
    const previous = this.#newest.get(node);
    this.#newest.set(node, { kind, block: this.#block, start, end, digest: '', previous });
  }

  /** Returns the newest revision of this incarnation of the store that an event names; 0 when there is none. */
  newestRevision(incarnation: string): number {
    return this.#revisions.get(incarnation) ?? 0;
  }

  /** Returns whether the newest event of this kind says the same. */
  has(node: string, event: ChangeEvent): boolean {
    for (const held of this.#eventsOf(node))
      if (held.kind === event.kind && saysTheSame(node, held, event)) return true;
    return false;
  }

  /** Returns the membership of each node that was announced last. Of most nodes it reads only one or two events. */
  readMemberships(): AnnouncedMemberships {
    for (const node of this.#newest.keys()) {
      const later: MembershipEvent[] = [];
      for (const event of this.#eventsOf(node)) {
        // What was read before is among the memberships already.
        if (!event.block) break;
        const read = readHeld(node, event);
        if (!read || announcedMembership(node, read) === undefined) continue;
        later.push(read);
        // The other kinds say everything about a membership, so nothing before them counts.
        if (!keepsMembership(read.kind)) break;
      }
      for (const event of later.reverse()) this.#memberships.add(node, event);
    }
    return this.#memberships;
  }

  /** Returns the events of a node, the newest first. */
  *#eventsOf(node: string): Generator<HeldEvent> {
    for (let event = this.#newest.get(node); event; event = event.previous) yield event;
  }

  #beginBlock(leastBytes: number): void {
    const { blockBytes, maxBlocks } = this.#room;
    if (this.#blocks >= maxBlocks) this.#readAll();
    this.#block = Buffer.allocUnsafeSlow(Math.max(blockBytes, leastBytes));
    this.#blocks++;
    this.#used = 0;
  }

  // Reads all events, and keeps only their digests.
  #readAll(): void {
    this.readMemberships();
    for (const node of this.#newest.keys())
      for (const event of this.#eventsOf(node)) {
        if (!event.block) break;
        const read = readHeld(node, event);
        event.digest = read ? digestOf(read) : '';
        event.block = undefined;
      }
    this.#blocks = 0;
  }
}

const readHeld = (node: string, { kind, block, start, end }: HeldEvent) =>
  block && readMembershipEvent(node, kind, block.subarray(start, end));

function saysTheSame(node: string, held: HeldEvent, event: ChangeEvent): boolean {
  if (!held.block) return held.digest === digestOf(event);
  const read = readHeld(node, held);
  return read !== undefined && (event.isKept || read.id === event.id) && isSameEvent(event, read);
}
