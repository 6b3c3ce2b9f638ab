// Models the requester: its rules for membership, health and events in as few lines as possible.
import assert from 'node:assert/strict';
import { membershipKinds } from '../../agent/protocol/events.ts';
import type { Health } from '../../agent/protocol/node-state.ts';
import { healthOf } from '../../agent/requester/health/health.ts';
import { announcementLimits } from '../../agent/requester/health/health-announcements.ts';
import { changesOf, readEntry } from '../../agent/requester/roll/store.ts';
import { takeToken } from '../../agent/system/token-buckets.ts';
import type { BucketEntry } from '../../agent/transport/port.ts';
import { settings } from './requester-fixture.ts';

const limits = {
  disconnectedAfterMs: settings.nodeDisconnectedAfter,
  unknownAfterMs: settings.nodeUnknownAfter,
};
const checkIntervalMs = settings.heartbeatFrequency;
/** The step in which the model's time passes, in milliseconds. */
export const halfSecondMs = 500;
/** Time between two beats of the requester's event loop, in milliseconds. A stall counts as three beats. */
const beatMs = 1_000;

interface Node {
  membership: string;
  session: string | undefined;
  lastSeen: number | undefined;
  left: boolean;
  /** Whether no verdict found it silent since it was heard. */
  isAlive: boolean;
  announced: Health;
}

/** Takes the membership from the writes that the store accepted, and checks each of them with the membership rules. */
export class Model {
  readonly nodes = new Map<string, Node>();
  /** The events of each node, in order. */
  readonly events = new Map<string, string[]>();
  now = 0;
  listening = 0;
  #connected = true;
  /** Time since the requester's last beat, and since it last counted its listening time, in milliseconds. */
  #sinceBeat = 0;
  #sinceCount = 0;
  #nextCheck = checkIntervalMs;
  #graceOver = false;
  /** The listening times between which verdicts wait, because the connection was lost. */
  #hold: { since: number; until: number } | undefined;
  /** The token bucket of each node, which limits how often its health is announced. */
  readonly #announcements = new Map<string, number>();

  /** Applies a write that the store accepted. */
  write(entry: BucketEntry): void {
    const stored = readEntry(entry);
    assert.notEqual(stored.kind, 'unreadable');
    const id = entry.key;
    const node = this.nodes.get(id);
    const state = stored.kind === 'record' ? stored.state : undefined;
    const change = changesOf(entry, stored).find(({ Revision }) => Revision === entry.revision);
    const before = node?.membership ?? '';
    const after = state?.Membership ?? '';
    const allowed: Record<string, boolean> = {
      registered: before === '' && after === 'PENDING',
      approved: (before === 'PENDING' || before === 'REJECTED') && after === 'APPROVED',
      rejected: (before === 'PENDING' || before === 'APPROVED') && after === 'REJECTED',
      deleted: before !== '' && after === '',
      updated: before !== '' && before === after && before !== 'REJECTED',
      // The node registered again.
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
      const unseen = { lastSeen: undefined, left: false, isAlive: false, announced: 'UNKNOWN' as const };
      this.nodes.set(id, { membership: after, session: state.Muster?.Session, ...unseen });
    }
  }

  health({ lastSeen, isAlive }: Node): Health {
    if (isAlive && this.#hold && this.listening < this.#hold.until) return 'HEALTHY';
    return healthOf(lastSeen === undefined ? undefined : this.listening - lastSeen, limits);
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** The connection is lost, or is back. The requester counts its listening time then. */
  set connected(connected: boolean) {
    const isRegained = connected && !this.#connected;
    this.#connected = connected;
    this.#sinceCount = 0;
    if (!isRegained || this.#hold || ![...this.nodes.values()].some(({ isAlive }) => isAlive)) return;
    this.#hold = { since: this.listening, until: this.listening + limits.disconnectedAfterMs };
  }

  /** Lets half a second pass. */
  pass(): void {
    this.now += halfSecondMs;
    if (this.connected) this.listening += halfSecondMs;
    this.#sinceBeat += halfSecondMs;
    this.#sinceCount += halfSecondMs;
    if (this.#sinceBeat === beatMs) this.#beat();
    this.#checkIfDue();
  }

  /** Suspends the requester for `ms`. */
  stall(ms: number): void {
    this.now += ms;
    if (this.connected) this.listening += 3 * beatMs - this.#sinceCount;
    this.#beat();
    this.#checkIfDue();
  }

  #beat(): void {
    this.#sinceBeat = 0;
    this.#sinceCount = 0;
  }

  markAlive(id: string, session: string | undefined): void {
    const node = this.nodes.get(id);
    if (!this.connected || !node || node.session !== session) return;
    Object.assign(node, { lastSeen: this.listening, left: false, isAlive: true });
    this.#announce(id, node);
  }

  markLeft(id: string): void {
    const node = this.nodes.get(id);
    if (!node || node.left) return;
    Object.assign(node, { lastSeen: undefined, left: true, isAlive: false });
    this.#announce(id, node);
  }

  /** Follows a start of another process. `announced` has the events of each node that the stream holds. */
  restarted(announced: Map<string, string[]>): void {
    this.listening = 0;
    this.#beat();
    this.#graceOver = false;
    this.#hold = undefined;
    this.#announcements.clear();
    this.#nextCheck = this.now + checkIntervalMs;
    for (const [id, expected] of this.events) {
      const actual = announced.get(id) ?? [];
      assert.deepEqual(actual, expected.slice(0, actual.length), id);
      // Changes in the store are announced now. Changes of health that were not announced are lost.
      const due = expected.slice(actual.length).filter(kind => membershipKinds.some(each => each === kind));
      const all = [...actual, ...due];
      this.events.set(id, all);
      const node = this.nodes.get(id);
      if (!node) continue;
      Object.assign(node, { lastSeen: undefined, left: false, isAlive: false, announced: lastHealth(all) });
    }
  }

  #checkIfDue(): void {
    if (this.now < this.#nextCheck) return;
    this.#nextCheck = this.now + checkIntervalMs;
    if (!this.connected || this.#isHeld()) return;
    this.#hold = undefined;
    if (this.listening < limits.disconnectedAfterMs) return;
    this.#graceOver = true;
    for (const [id, node] of this.nodes) {
      if (this.health(node) !== 'HEALTHY') node.isAlive = false;
      this.#announce(id, node);
    }
  }

  #isHeld(): boolean {
    if (!this.#hold || this.listening >= this.#hold.until) return false;
    const { since } = this.#hold;
    return [...this.nodes.values()].some(({ isAlive, lastSeen = 0 }) => isAlive && lastSeen < since);
  }

  #announce(id: string, node: Node): void {
    const health = this.health(node);
    if (!this.#graceOver || node.announced === health) return;
    const fullAt = takeToken(this.#announcements.get(id), this.now, announcementLimits);
    if (fullAt === undefined) return;
    this.#announcements.set(id, fullAt);
    node.announced = health;
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
