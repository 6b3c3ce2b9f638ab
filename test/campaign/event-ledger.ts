// The ledger holds every event that the broker has stored, and finds events that are lost, doubled or out of order.
import type { CloudEvent } from '../../agent/protocol/events.ts';
import type { Health, Membership } from '../../agent/protocol/node-state.ts';
import type { Operation } from './model.ts';

/** The reason in every event that the campaign forges. */
export const forgedReason = 'forged by the campaign';

interface NodeEvents {
  /** The place of each decision's event among the events of the node, by its reason. */
  places: Map<string, number>;
  count: number;
  membership: Membership | undefined;
  /** What was announced last of its health; undefined while nothing was. */
  health: Health | undefined;
  /** Number of changes that were announced together with a later one. */
  coalesced: number;
}

export class EventLedger {
  readonly #requesterIds: readonly string[];
  readonly #nodes = new Map<string, NodeEvents>();
  readonly #byId = new Map<string, string>();
  /** What is wrong with the events so far, as sentences. */
  readonly faults: string[] = [];
  readonly counts = { genuine: 0, forged: 0, unreadable: 0 };

  constructor(...requesterIds: string[]) {
    this.#requesterIds = requesterIds;
  }

  /** Takes the next event of the stream. */
  add(data: Uint8Array): void {
    const text = Buffer.from(data).toString('utf8');
    const event = parse(text);
    if (!event) return void this.counts.unreadable++;
    if (event.data.reason === forgedReason) return void this.counts.forged++;
    this.counts.genuine++;
    const same = this.#byId.get(event.id);
    if (same !== undefined) {
      this.faults.push(`two events have the id ${event.id}: ${same} and ${text}`);
      return;
    }
    this.#byId.set(event.id, text);
    this.#follow(event);
  }

  /** Returns the membership of a node after its last event; undefined for a node that is not on the roll. */
  membershipOf(id: string): Membership | undefined {
    return this.#nodes.get(id)?.membership;
  }

  /** Returns what is wrong with the events of a node's decisions, which were carried out in this order. */
  faultsOf(id: string, decisions: readonly Operation[]): string[] {
    const node = this.#nodes.get(id);
    const missing = decisions.filter(({ reason }) => node?.places.has(reason) !== true);
    // Changes beyond the 63 that may wait are announced together with a later one, and then have no event of their own.
    const lost = missing.slice(node?.coalesced ?? 0);
    const faults = lost.map(({ verb, reason }) => `the event of '${verb} ${id}' (${reason}) is missing`);
    const places = decisions.flatMap(({ reason }) => node?.places.get(reason) ?? []);
    if (places.some((place, index) => place < (places[index - 1] ?? 0)))
      faults.push(`the events of ${id} are not in the order of its decisions`);
    return faults;
  }

  #follow({ id, subject, type, data }: CloudEvent): void {
    const node = this.#nodeOf(subject);
    const place = node.count++;
    const kind = type.replace('org.muster.node.', '');
    this.#followHealth(node, kind, { id, subject, data });
    if (!/^(registered|approved|rejected|deleted|expired|updated)$/.test(kind)) return;
    node.coalesced += data.coalesced ?? 0;
    const previous = data.previous?.membership || undefined;
    // A node that waits for approval, and the requester, register again by themselves when the store lost their records.
    const isBack =
      kind === 'registered' && (node.membership === 'PENDING' || this.#requesterIds.includes(subject));
    if (previous !== node.membership && !isBack) {
      this.faults.push(
        `the event ${id} (${kind}) says that ${subject} was ${previous}, but the event before it said ${node.membership}`,
      );
    }
    node.membership = data.current?.membership || undefined;
    if (data.reason === undefined) return;
    if (node.places.has(data.reason)) this.faults.push(`${data.reason} has two events; the second is ${id}`);
    node.places.set(data.reason, place);
  }

  // A health event that begins elsewhere than the one before it ended, or that tells it again, contradicts it.
  #followHealth(
    node: NodeEvents,
    kind: string,
    { id, subject, data }: Pick<CloudEvent, 'id' | 'subject' | 'data'>,
  ) {
    if (/^(registered|deleted|expired)$/.test(kind)) node.health = undefined;
    if (!/^(healthy|unhealthy|unknown|left)$/.test(kind)) return;
    const { previous, current } = data;
    if (node.health !== undefined && previous?.health !== node.health)
      this.faults.push(
        `the event ${id} (${kind}) says that ${subject} was ${previous?.health}, but the event before it said ${node.health}`,
      );
    if (previous?.health === current?.health)
      this.faults.push(`the event ${id} (${kind}) says that ${subject} was ${previous?.health} already`);
    node.health = current?.health;
  }

  #nodeOf(id: string): NodeEvents {
    const node = this.#nodes.get(id) ?? {
      places: new Map(),
      count: 0,
      membership: undefined,
      health: undefined,
      coalesced: 0,
    };
    this.#nodes.set(id, node);
    return node;
  }
}

function parse(text: string): CloudEvent | undefined {
  try {
    const event = JSON.parse(text) as CloudEvent;
    return typeof event.id === 'string' && typeof event.data === 'object' ? event : undefined;
  } catch {
    return undefined;
  }
}
