// What the design says of membership, health and events, in as few words as possible: the model of a requester.
import assert from 'node:assert/strict';
import { membershipKinds } from '../../agent/protocol/events.ts';
import type { Health } from '../../agent/protocol/node-state.ts';
import { healthOf } from '../../agent/requester/health/health.ts';
import { changesOf, readEntry } from '../../agent/requester/roll/store.ts';
import type { BucketEntry } from '../../agent/transport/port.ts';
import { settings } from './requester-fixture.ts';

const limits = {
  disconnectedAfterMs: settings.nodeDisconnectedAfter,
  unknownAfterMs: settings.nodeUnknownAfter,
};
const checkEvery = settings.heartbeatFrequency;
/** The model goes on in steps of half a second. */
export const half = 500;
/** The beat of the requester's own loop at these settings; of a stall three of them count. */
const beat = 1_000;

interface Node {
  membership: string;
  session: string | undefined;
  lastSeen: number | undefined;
  left: boolean;
  told: Health;
}

/** Membership follows the writes that the store took; each has to be one that the table allows. */
export class Model {
  readonly nodes = new Map<string, Node>();
  /** The events of each node, in order. */
  readonly events = new Map<string, string[]>();
  now = 0;
  connected = true;
  listening = 0;
  #nextCheck = checkEvery;
  #graceOver = false;

  /** The store took a write; it must be one that the membership table allows. */
  written(entry: BucketEntry): void {
    const known = readEntry(entry);
    assert.notEqual(known.kind, 'unreadable');
    const id = entry.key;
    const node = this.nodes.get(id);
    const state = known.kind === 'record' ? known.state : undefined;
    const change = changesOf(entry, known).find(({ Revision }) => Revision === entry.revision);
    const before = node?.membership ?? '';
    const after = state?.Membership ?? '';
    const allowed: Record<string, boolean> = {
      registered: before === '' && after === 'PENDING',
      approved: (before === 'PENDING' || before === 'REJECTED') && after === 'APPROVED',
      rejected: (before === 'PENDING' || before === 'APPROVED') && after === 'REJECTED',
      deleted: before !== '' && after === '',
      updated: before !== '' && before === after && before !== 'REJECTED',
      // Registered again.
      none: before !== '' && before === after,
    };
    assert.ok(allowed[change?.Kind ?? 'none'], `${id}: ${before} → ${after} (${change?.Kind})`);
    if (change) {
      assert.deepEqual([change.Previous, change.Current], [before, after]);
      this.#event(id, change.Kind);
    }
    if (!state) this.nodes.delete(id);
    else if (node) Object.assign(node, { membership: after, session: state.Muster?.Session });
    else {
      const unheard = { lastSeen: undefined, left: false, told: 'UNKNOWN' as const };
      this.nodes.set(id, { membership: after, session: state.Muster?.Session, ...unheard });
    }
  }

  health({ lastSeen }: Node): Health {
    return healthOf(lastSeen === undefined ? undefined : this.listening - lastSeen, limits);
  }

  /** Half a second passes. */
  pass(): void {
    this.now += half;
    if (this.connected) this.listening += half;
    this.#checkIfDue();
  }

  /** The requester is suspended until now + `ms`. */
  stall(ms: number): void {
    this.now += ms;
    if (this.connected) this.listening += 3 * beat - half;
    this.#checkIfDue();
  }

  heard(id: string, session: string | undefined): void {
    const node = this.nodes.get(id);
    if (!this.connected || !node || node.session !== session) return;
    Object.assign(node, { lastSeen: this.listening, left: false });
    this.#tell(id, node);
  }

  left(id: string): void {
    const node = this.nodes.get(id);
    if (!node) return;
    Object.assign(node, { lastSeen: undefined, left: true });
    this.#tell(id, node);
  }

  /** Another process starts now. `told`: the events of each node that the stream holds. */
  restarted(told: Map<string, string[]>): void {
    this.listening = 0;
    this.#graceOver = false;
    this.#nextCheck = this.now + checkEvery;
    for (const [id, expected] of this.events) {
      const actual = told.get(id) ?? [];
      assert.deepEqual(actual, expected.slice(0, actual.length), id);
      // What the store holds is told now; what was only seen is lost.
      const due = expected.slice(actual.length).filter(kind => membershipKinds.some(each => each === kind));
      const all = [...actual, ...due];
      this.events.set(id, all);
      const node = this.nodes.get(id);
      if (node) Object.assign(node, { lastSeen: undefined, left: false, told: lastHealth(all) });
    }
  }

  #checkIfDue(): void {
    if (this.now < this.#nextCheck) return;
    this.#nextCheck = this.now + checkEvery;
    if (!this.connected || this.listening < limits.disconnectedAfterMs) return;
    this.#graceOver = true;
    for (const [id, node] of this.nodes) this.#tell(id, node);
  }

  #tell(id: string, node: Node): void {
    const health = this.health(node);
    if (!this.#graceOver || node.told === health) return;
    node.told = health;
    this.#event(id, health === 'UNKNOWN' && node.left ? 'left' : health.toLowerCase());
  }

  #event(id: string, kind: string): void {
    const list = this.events.get(id) ?? [];
    list.push(kind);
    this.events.set(id, list);
  }
}

function lastHealth(kinds: string[]): Health {
  const last = kinds.findLast(kind => /healthy|unknown|left|registered|deleted/.test(kind));
  if (last === 'healthy') return 'HEALTHY';
  return last === 'unhealthy' ? 'UNHEALTHY' : 'UNKNOWN';
}
