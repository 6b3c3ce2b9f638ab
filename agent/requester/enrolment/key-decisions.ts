// Carries out what operators decide about keys: which refused key takes a record, which key is banned, and which no longer.
import type { ShownBan } from '../../protocol/http-operators.ts';
import { fingerprint } from '../../protocol/nkey.ts';
import { type Clock, endsWithin } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import type { Log } from '../../system/log.ts';
import type { Act, RequesterAnnouncer } from '../events/requester-events.ts';
import { normalFingerprint } from '../roll/node-key.ts';
import { throwUnstored } from '../status/unstored.ts';
import type { Bans } from './bans.ts';
import type { KeyFollower } from './key-follower.ts';
import type { LiveConnections } from './live-connections.ts';
import type { Pins } from './pins.ts';
import type { RefusalLog } from './refusals.ts';

export interface KeyDecisionsOptions {
  clock: Clock;
  log: Log;
  /** Announces what operators do about keys. */
  announcer: RequesterAnnouncer;
  pins: Pins;
  bans: Bans;
  live: Pick<LiveConnections, 'end'>;
  refusals: RefusalLog;
  follower: Pick<KeyFollower, 'untilFollowed'>;
}

/** Time that an operator's command waits until the pins follow its decision, in milliseconds. */
const followTimeoutMs = 5_000;

export class KeyDecisions {
  readonly #options: KeyDecisionsOptions;

  constructor(options: KeyDecisionsOptions) {
    this.#options = options;
  }

  /** Returns the key that is pinned to a node; undefined when there is none. */
  keyOf(id: string): string | undefined {
    return this.#options.pins.of(id)?.key;
  }

  /** Returns the keys that are refused for ever, the latest first. */
  list(): ShownBan[] {
    return this.#options.bans.list().map(({ key, ban }) => ({
      Fingerprint: fingerprint(key),
      NodeID: ban.id,
      At: ban.at,
      Actor: ban.actor,
      Reason: ban.reason,
    }));
  }

  /** Refuses a key that may not be the node's any more. @throws MusterError `conflict` when it is banned, or another node has it */
  refuseForeign(id: string, key: string): void {
    const { bans, pins } = this.#options;
    if (bans.of(key))
      throw new MusterError('conflict', `the key of node ${id} is banned`, {
        hint: `lift the ban first: muster node unban ${fingerprint(key)}`,
      });
    const owner = pins.nodeOf(key);
    if (owner !== undefined && owner !== id)
      throw new MusterError('conflict', `the key of node ${id} belongs to node ${owner} now`, {
        hint: `only one of them can have it; to bring ${id} back, first: muster node delete ${owner}`,
      });
  }

  /**
   * Refuses to give node `id` the id `newId` under which a machine has come in that has not registered yet. @throws MusterError
   * `conflict`
   */
  refuseOtherPin(newId: string, id: string): void {
    const { pins } = this.#options;
    const key = pins.of(newId)?.key;
    if (key === undefined || key === pins.of(id)?.key) return;
    throw new MusterError('conflict', `the id ${newId} has another key, ${fingerprint(key)}`, {
      hint: `a machine has come in under it and registers in a moment; choose another id, or delete that node then`,
    });
  }

  /** Waits until the pin of a node follows a decision about it, for some seconds at most. */
  async untilFollowed(id: string): Promise<void> {
    const { clock, follower } = this.#options;
    const work = follower.untilFollowed(id);
    if (work) await endsWithin(clock, followTimeoutMs, work);
  }

  /**
   * Returns the key with this fingerprint that wants to be the node. An operator may give it the node's record.
   * @throws MusterError `not_found` when no such key was refused within the last hour; `conflict` when it is banned or
   * belongs to another node.
   */
  refusedKey(id: string, wanted: string): string {
    const text = normalFingerprint(wanted);
    const { refusals, bans, pins } = this.#options;
    const keys = refusals.wanting(id);
    const found = keys.find(({ refusal }) => refusal.fingerprint === text);
    if (!found) {
      const others = keys.slice(0, 3).map(({ refusal }) => refusal.fingerprint);
      const hint =
        others.length > 0
          ? `these keys wanted it: ${others.join(', ')}`
          : 'start the agent on that machine; its status shows its fingerprint: muster status';
      throw new MusterError('not_found', `no key ${text} wanted to be node ${id} within the last hour`, {
        hint,
      });
    }
    if (bans.of(found.key)) {
      throw new MusterError('conflict', `the key ${text} is banned`, {
        hint: `lift the ban: muster node unban ${text}`,
      });
    }
    const owner = pins.nodeOf(found.key);
    if (owner !== undefined && owner !== id)
      throw new MusterError('conflict', `the key ${text} belongs to node ${owner}`, {
        hint: `delete that node first: muster node delete ${owner}`,
      });
    return found.key;
  }

  /**
   * Refuses the key of a node for ever, and ends its connection. `at` is RFC 3339. @throws MusterError `conflict` when the
   * node has no key; BrokerError
   */
  async ban(
    id: string,
    { actor, claimedActor, operation, reason }: Act & { reason: string },
    at: string,
  ): Promise<void> {
    const { pins, bans, live, log, announcer } = this.#options;
    const key = pins.of(id)?.key;
    if (key === undefined) {
      throw new MusterError('conflict', `node ${id} has no key that could be banned`, {
        hint: `delete it without --ban: muster node delete ${id}`,
      });
    }
    await bans.add(key, { id, actor, reason, at }, operation);
    await live.end(key);
    const fields = { node: id, fingerprint: fingerprint(key), ...(reason ? { reason } : {}) };
    const act = { actor, ...(claimedActor ? { claimedActor } : {}) };
    log.info({ ...fields, ...act }, 'the key of a node was banned');
    announcer.announce('banned', { ...fields, ...act });
  }

  /**
   * Lifts the ban of the key with this fingerprint. @throws MusterError `not_found`; `unreachable` when the store gave no
   * answer, so that the ban may be lifted; `failed` or `no_quorum` when the store did not lift it
   */
  async unban(wanted: string, act: Act): Promise<void> {
    const { bans, log, announcer } = this.#options;
    const text = normalFingerprint(wanted);
    const key = bans.find(text);
    const ban = key === undefined ? undefined : bans.of(key);
    if (key === undefined || !ban)
      throw new MusterError('not_found', `no key ${text} is banned`, { hint: 'see: muster node bans' });
    if (!(await bans.remove(key, act).catch(error => throwStillBanned(error, text)))) return;
    const fields = { node: ban.id, fingerprint: text, ...act };
    log.info(fields, 'the ban of a key was lifted');
    announcer.announce('unbanned', fields);
  }
}

function throwStillBanned(error: unknown, fingerprint: string): never {
  return throwUnstored(
    error,
    { what: `the unban of key ${fingerprint} was not stored`, hint: 'muster status says what is wrong' },
    {
      what: `the unban of key ${fingerprint} may stand or not`,
      hint: 'find out with: muster node bans',
    },
  );
}
