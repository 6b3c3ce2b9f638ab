// The key follower makes the pins follow the roll: a node that was deleted or gave way loses its pin, and a node that got
// another key gets that key pinned. The records are written first, so the next start makes up for a crash in between.
import { ProtocolError } from '../../protocol/error.ts';
import { decodePublicKey, fingerprint } from '../../protocol/nkey.ts';
import type { NodeState } from '../../protocol/node-state.ts';
import type { Log } from '../../system/log.ts';
import { wasChanged } from '../cluster/record-conflict.ts';
import { type RetryOptions, retryOnBrokerError } from '../cluster/retry.ts';
import type { RollObserver } from '../roll/roll-observer.ts';
import { isForgotten, keyOf, type StoredRecord } from '../roll/stored-record.ts';
import type { DeletedNode, ExpiredNode, FormerNodes } from './former-nodes.ts';
import type { LiveConnections } from './live-connections.ts';
import type { Pin, Pins } from './pins.ts';
import { keyTurn, nodeTurn, type Turns } from './turns.ts';

export interface KeyFollowerOptions extends Omit<RetryOptions, 'failureText' | 'onFailure'> {
  pins: Pins;
  deleted: FormerNodes<DeletedNode>;
  expired: Pick<FormerNodes<ExpiredNode>, 'add'>;
  live: Pick<LiveConnections, 'end'>;
  turns: Turns;
  /** Keeps a use of a join code counted although its node gave way. @throws BrokerError; MusterError `conflict` */
  onGaveWay(code: string, pin: Pin): Promise<void>;
  /** Called after a node got another key, to let the agent with that key in at once. */
  onExchanged(id: string, key: string): Promise<void>;
}

/** The roll, as far as the follower reads it. */
export interface FollowedRecords {
  stored(id: string): StoredRecord;
  list(): Iterable<NodeState>;
}

/** Reads a record again from the store, if another requester may have written it. @throws BrokerError */
export type RefreshRecord = (id: string) => Promise<void>;

/** Number of attempts to follow a record while another requester does so too. */
const attempts = 4;

export class KeyFollower implements RollObserver {
  readonly #options: KeyFollowerOptions;
  #records: FollowedRecords | undefined;
  #refresh: RefreshRecord = async () => undefined;
  /** The nodes whose pins do not follow their records yet. */
  readonly #pending = new Map<string, Promise<void>>();
  /** What the records of deleted nodes said last, until their keys are remembered. */
  readonly #last = new Map<string, NodeState>();

  constructor(options: KeyFollowerOptions) {
    this.#options = options;
  }

  /**
   * Makes all pins follow the records, and then each change. Runs at the start, after the roll was loaded and before anybody
   * is let in. @throws BrokerError
   */
  async start(records: FollowedRecords, refresh: RefreshRecord): Promise<void> {
    this.#records = records;
    this.#refresh = refresh;
    const ids = new Set<string>();
    for (const state of records.list()) if (this.#isBehind(state.Info.NodeID)) ids.add(state.Info.NodeID);
    for (const id of this.#options.pins.ids()) if (this.#isBehind(id)) ids.add(id);
    for (const id of ids) await this.#follow(id);
  }

  onRecord(id: string): void {
    if (this.#records && this.#isBehind(id)) this.#begin(id);
  }

  onDeleted(id: string, before: NodeState | undefined): void {
    if (!this.#records || !this.#isBehind(id)) return;
    if (before) this.#last.set(id, before);
    this.#begin(id);
  }

  onRemoved(id: string): void {
    const { kind } = this.#records?.stored(id) ?? {};
    if ((kind === 'absent' || kind === 'renamed') && this.#isBehind(id)) this.#begin(id);
  }

  /** Returns a promise while the pin of a node does not follow its record yet. It never rejects. */
  untilFollowed(id: string): Promise<void> | undefined {
    return this.#pending.get(id);
  }

  #begin(id: string): void {
    const { log } = this.#options;
    const failureText = 'the pinned key of a node cannot be changed yet; trying again';
    const work = retryOnBrokerError(() => this.#follow(id), { ...this.#options, failureText })
      .catch(err => log.error({ node: id, err }, 'the pinned key of a node could not be changed'))
      .finally(() => {
        if (this.#pending.get(id) === work) this.#pending.delete(id);
      });
    this.#pending.set(id, work);
  }

  async #follow(id: string): Promise<void> {
    const { turns, pins } = this.#options;
    const names = [
      nodeTurn(id),
      ...[pins.of(id)?.key, this.#keyInRecord(id)].flatMap(key => (key ? keyTurn(key) : [])),
    ];
    await turns.run(names, async () => {
      for (let attempt = 1; this.#isBehind(id); attempt++) {
        try {
          return await this.#followOnce(id);
        } catch (error) {
          // Another requester follows the same record, and was first. Memory has what it wrote.
          if (!wasChanged(error) || attempt === attempts) throw error;
        }
      }
    });
    this.#last.delete(id);
  }

  async #followOnce(id: string): Promise<void> {
    const { pins } = this.#options;
    // Another requester may have deleted the node since, and removed its pin. Its key must not be pinned again.
    await this.#refresh(id);
    if (!this.#isBehind(id)) return;
    const stored = this.#records?.stored(id);
    const pin = pins.of(id);
    if (stored?.kind === 'deleted' && pin && !isForgotten(stored)) await this.#retire(id, stored, pin);
    if (stored?.kind === 'renamed' && pin) await this.#move(id, stored.to, pin);
    const mayComeBack = stored?.kind === 'absent' || (stored?.kind === 'deleted' && isForgotten(stored));
    if (mayComeBack && pin) await this.#forget(id, pin, stored.at);
    const key = this.#keyInRecord(id);
    if (key) await this.#exchange(id, key, pin);
  }

  #isBehind(id: string): boolean {
    const { pins } = this.#options;
    const pin = pins.of(id);
    const stored = this.#records?.stored(id);
    if (stored?.kind === 'deleted' || stored?.kind === 'renamed')
      return pin !== undefined && isOlder(pin, stored.at);
    // Without a time the store has no marker of a removed record: the pin is that of a newcomer who has not registered yet.
    if (stored?.kind === 'absent' && stored.at !== undefined)
      return pin !== undefined && isOlder(pin, stored.at);
    // Almost every pin is right. Only another key has to be looked at more closely, which takes longer.
    const named = stored && keyOf(stored);
    return named !== undefined && named !== pin?.key && this.#keyInRecord(id) !== undefined;
  }

  /** Returns the key that the record of the node names, if another node does not have it. */
  #keyInRecord(id: string): string | undefined {
    const stored = this.#records?.stored(id);
    const key = stored && keyOf(stored);
    if (key === undefined || !isPublicKey(key)) return undefined;
    const { pins } = this.#options;
    // The pin of a node that was renamed comes from its former id, with all that it remembers.
    const FormerIDs = stored?.kind === 'record' ? (stored.state.Muster?.FormerIDs ?? []) : [];
    if (FormerIDs.some(({ ID }) => pins.of(ID)?.key === key)) return undefined;
    const owner = pins.nodeOf(key);
    return owner === undefined || owner === id ? key : undefined;
  }

  // The key is remembered before the pin is removed, so that the node is never a stranger.
  async #retire(id: string, stored: Extract<StoredRecord, { kind: 'deleted' }>, pin: Pin): Promise<void> {
    const { deleted, pins, live, clock } = this.#options;
    const before = this.#last.get(id);
    await deleted.add(id, {
      key: pin.key,
      ...codeOf(pin, 'code'),
      ...(before?.Membership ? { membership: before.Membership } : {}),
      ...(before?.Info.Hostname ? { host: before.Info.Hostname } : {}),
      actor: stored.actor ?? 'an operator',
      ...(stored.reason ? { reason: stored.reason } : {}),
      at: stored.at ?? clock.now().toISOString(),
    });
    await pins.remove(id);
    await live.end(pin.key);
  }

  // A node that gave way, or was forgotten, is a newcomer again, and comes back without a join code as long as its key is remembered. The code
  // with which it first came stays used.
  async #forget(id: string, pin: Pin, at: string | undefined): Promise<void> {
    const { pins, expired, live, clock, onGaveWay } = this.#options;
    await expired.add(id, { key: pin.key, at: at ?? clock.now().toISOString() });
    const { code } = codeOf(pin, 'code');
    if (code !== undefined) await onGaveWay(code, pin);
    await pins.remove(id);
    await live.end(pin.key);
  }

  // The pin goes with the node to its new id. When that has gone since, or has another key, the pin follows that from there.
  async #move(id: string, newId: string, pin: Pin): Promise<void> {
    const { pins, live, onExchanged } = this.#options;
    const newer = this.#records?.stored(newId);
    const key = newer && keyOf(newer);
    if (key === pin.key || newer?.kind === 'deleted' || newer?.kind === 'renamed') await pins.move(id, newId);
    else await pins.remove(id);
    await live.end(pin.key);
    await onExchanged(newId, pin.key);
    if (this.#isBehind(newId)) this.#begin(newId);
  }

  async #exchange(id: string, key: string, pin: Pin | undefined): Promise<void> {
    const { pins, live, clock, log, onExchanged } = this.#options;
    await pins.replace(id, {
      key,
      ...codeOf(pin, 'formerCode'),
      at: clock.now().toISOString(),
    });
    logPinned(log, id, key, pin);
    if (pin) await live.end(pin.key);
    await onExchanged(id, key);
  }
}

function logPinned(log: Log, node: string, key: string, before: Pin | undefined): void {
  const fields = { node, fingerprint: fingerprint(key), before: before && fingerprint(before.key) };
  log.info(fields, 'the key in the record of a node was pinned to it');
}

/** Returns the join code with which the node first came, as this member. */
function codeOf<Name extends 'code' | 'formerCode'>(
  pin: Pin | undefined,
  name: Name,
): { [name in Name]?: string } {
  const code = pin?.code ?? pin?.formerCode;
  return (code === undefined ? {} : { [name]: code }) as { [name in Name]?: string };
}

// A pin that is younger than the deletion belongs to a node that came back and has not registered yet.
const isOlder = (pin: Pin, deletedAt: string | undefined): boolean =>
  deletedAt === undefined || !(Date.parse(pin.at) > Date.parse(deletedAt));

function isPublicKey(text: string): boolean {
  try {
    return decodePublicKey(text).length > 0;
  } catch (error) {
    if (error instanceof ProtocolError) return false;
    throw error;
  }
}
