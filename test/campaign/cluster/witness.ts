// The witness is connected to each server, past all ways that are cut, and knows which heartbeats reached it. So it knows
// whether a node was silent, whatever the requesters say.
import { decodeEnvelope, metadataKeys } from '../../../agent/protocol/envelope.ts';
import type { CloudEvent } from '../../../agent/protocol/events.ts';
import {
  defaultHeartbeatTopic,
  heartbeatNodeIdReader,
  heartbeatWildcard,
  nodeEventsWildcard,
  parseEventSubject,
} from '../../../agent/protocol/subjects.ts';
import type { Connection } from '../../../agent/transport/port.ts';

/** A heartbeat that reached a server. Times are in milliseconds since 1970. */
export interface Heard {
  sentAt: number;
  at: number;
}

/** How much the times of one thing may differ, in milliseconds: the witness has one processor with all the others. */
const slackMs = 1_500;
/** How long heartbeats are remembered, in milliseconds. */
const memoryMs = 90_000;
/** Number of heartbeats of which is remembered on which side they were heard. */
const maxSides = 1_000;

export class Witness {
  readonly #connections: readonly Connection[];
  readonly #heard = new Map<string, Heard[]>();
  /** Called with each event of a node as it is published. */
  onEvent: (node: string, kind: string) => void = () => undefined;
  /** The site whose server is without a majority, so that what it hears does not count. */
  #minority: number | undefined;
  /** Whether the way to that site is open again. What it hears counts once its server and another one hear the same. */
  #isOpen = false;
  /** The heartbeats of the last moments since the way is open: on which side each was heard. */
  readonly #sides = new Map<string, 'minority' | 'others'>();

  /** Begins to listen. `connections` are those to the servers, in the order of the sites. */
  constructor(connections: readonly Connection[]) {
    this.#connections = connections;
    const idOf = heartbeatNodeIdReader(defaultHeartbeatTopic);
    for (const [site, connection] of connections.entries()) {
      connection.subscribe(heartbeatWildcard(defaultHeartbeatTopic), ({ subject, data }) => {
        const id = idOf(subject);
        if (id !== undefined) this.#note(id, data, site);
      });
      connection.subscribe(nodeEventsWildcard, ({ subject }) => {
        const { node, kind } = parseEventSubject(subject);
        this.onEvent(node, kind);
      });
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#connections.map(each => each.close(0)));
  }

  /** Says which site is apart from the majority now. */
  cutOff(site: number): void {
    this.#minority = site;
    this.#isOpen = false;
    this.#sides.clear();
  }

  /** Says that the ways between all sites are open. The servers find each other again some seconds later. */
  open(): void {
    this.#isOpen = true;
  }

  /** Returns when the last heartbeat of a node reached a server before a time; undefined when none is remembered. */
  lastBefore(id: string, time: number): number | undefined {
    return this.#heard.get(id)?.findLast(({ at }) => at <= time)?.at;
  }

  /**
   * Returns what is wrong with an event that says that a node fell silent for `silenceMs`; undefined when it was silent.
   * `told` is when it was told.
   */
  faultOf({ id, subject, time, type }: CloudEvent, told: number, silenceMs: number): string | undefined {
    const from = told - silenceMs + slackMs;
    const heard = this.#heard.get(subject)?.find(({ sentAt, at }) => sentAt > from && at < told - slackMs);
    if (!heard) return undefined;
    const kind = type.replace('org.muster.node.', '');
    return `${subject} was told as ${kind} (${id}) at ${time}, but a heartbeat of ${new Date(heard.sentAt).toISOString()} reached a server`;
  }

  #note(id: string, data: Uint8Array, site: number): void {
    const at = Date.now();
    const sentAt = Number(decodeEnvelope(data).metadata[metadataKeys.eventTime]) / 1e6;
    if (this.#isOpen) this.#lookForBothSides(`${id} ${sentAt}`, site);
    if (site === this.#minority) return;
    const list = this.#heard.get(id) ?? [];
    this.#heard.set(id, list);
    list.push({ sentAt, at });
    while ((list[0]?.at ?? at) < at - memoryMs) list.shift();
  }

  #lookForBothSides(heartbeat: string, site: number): void {
    if (this.#minority === undefined) return;
    const side = site === this.#minority ? 'minority' : 'others';
    if ((this.#sides.get(heartbeat) ?? side) !== side) this.#minority = undefined;
    this.#sides.set(heartbeat, side);
    const [oldest] = this.#sides.size > maxSides ? this.#sides.keys() : [];
    if (oldest !== undefined) this.#sides.delete(oldest);
  }
}
