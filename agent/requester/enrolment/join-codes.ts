// Keeps the join codes of a cluster: makes and revokes them, and says of a token that a node shows whether it lets the node
// in.
import { hash, randomBytes } from 'node:crypto';
import { codeIdOf, joinToken } from '../../protocol/join-code.ts';
import { hashToken, isSame } from '../../protocol/secret-hash.ts';
import type { Clock } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import type { Log } from '../../system/log.ts';
import { BrokerError } from '../../transport/port.ts';
import { wasChanged } from '../cluster/record-conflict.ts';
import { hasDone, withOperation } from '../cluster/record-operations.ts';
import { type RecordBucket, RecordSet } from '../cluster/record-set.ts';
import type { Act, RequesterAnnouncer } from '../events/requester-events.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { throwUnstored } from '../status/unstored.ts';
import { CodeRevocations } from './code-revocations.ts';
import { listHint, madeBefore, tooMany } from './join-code-faults.ts';
import {
  allowsAddress,
  codesToForget,
  type JoinCodeRecord,
  type JoinCodeState,
  joinCodeSchema,
  maxCodes,
  type Newcomer,
  stateOf,
  withNodeGone,
} from './join-code-rules.ts';
import type { Pin } from './pins.ts';

export interface JoinCode {
  id: string;
  record: JoinCodeRecord;
}

/** A code with what is known of its use. */
export interface ListedJoinCode extends JoinCode {
  /** Number of nodes that have used it. */
  used: number;
  state: JoinCodeState;
}

/** What an operator wants of a new code. */
export type JoinCodeWish = Pick<JoinCodeRecord, 'uses' | 'approve' | 'labels' | 'network'> & {
  lifetimeMs: number;
};

/** What the token of a node is worth. `network` means that the node connects from another network than the code's. */
export type JoinTokenCheck =
  | { kind: 'valid' | Exclude<JoinCodeState, 'valid'> | 'network'; code: JoinCode }
  | { kind: 'unknown' };

export interface JoinCodesOptions {
  /** The bucket with what is not about one node. */
  bucket: RecordBucket;
  clock: Clock;
  log: Log;
  /** Returns the number of keys that were pinned with a code. They are its uses, so a node that reconnects costs none. */
  usesOf(codeId: string): number;
  /** Returns how many uses of a code are claimed for others than `newcomer`, and may still become pins. */
  claimed?(codeId: string, record: JoinCodeRecord, newcomer: Newcomer | undefined): number;
  /** Called when a record changes in memory. */
  onChange?(before: JoinCodeRecord | undefined, after: JoinCodeRecord | undefined): void;
  /** Announces what operators do about codes. */
  events: RequesterAnnouncer;
  /** Keeps outside of the store which codes let nobody in any more before their end. */
  ledger?: Pick<Ledger, 'get' | 'put'> | undefined;
}

const secretBytes = 16;
const idLetters = 'abcdefghijklmnopqrstuvwxyz234567';

export class JoinCodes {
  /** The records in the store. */
  readonly set: RecordSet<JoinCodeRecord>;
  readonly #options: JoinCodesOptions;
  readonly #revocations: CodeRevocations;
  /** Number of enrolments with a code whose pin is being written. */
  readonly #held = new Map<string, number>();

  constructor(options: JoinCodesOptions) {
    const { bucket, log } = options;
    this.#options = options;
    this.set = new RecordSet({
      bucket,
      prefix: 'code.',
      schema: joinCodeSchema,
      log,
      onChange: (before, after) => options.onChange?.(before, after),
      onOthersChange: (id, before, after) => {
        if (after?.revoked && !before?.revoked) void this.#revocations.keepOver(id);
      },
      // Only codes that let nobody in are forgotten, so a requester that has not heard of it yet lets nobody in either.
      mayVanish: (id, record) => this.#listed(id, record, options.clock.now()).state !== 'valid',
    });
    this.#revocations = new CodeRevocations({ ...options, set: this.set });
  }

  /**
   * Returns what `token` is worth now, for a newcomer that connects from `address`. A caller that pins a key with a valid code
   * calls `hold` in the same turn of the event loop, or claims a use.
   */
  check(token: string, address: string, newcomer?: Newcomer): JoinTokenCheck {
    const id = codeIdOf(token);
    const record = id === undefined ? undefined : this.recordOf(id);
    // The id is no secret; only the comparison of the rest must take the same time for every token.
    if (id === undefined || !record || !isSame(hashToken(token), Buffer.from(record.hash, 'base64url')))
      return { kind: 'unknown' };
    const code = { id, record };
    const used = this.#usesOf(id, record) + (this.#options.claimed?.(id, record, newcomer) ?? 0);
    const state = stateOf(record, used, this.#options.clock.now());
    if (state !== 'valid') return { kind: state, code };
    return { kind: allowsAddress(record, address) ? 'valid' : 'network', code };
  }

  /**
   * Holds one use of a code while the pin of a node is written, so that two nodes cannot both take the last one. Returns
   * the function that ends this: after the pin counts, or was not written.
   */
  hold(id: string): () => void {
    this.#held.set(id, (this.#held.get(id) ?? 0) + 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const rest = (this.#held.get(id) ?? 1) - 1;
      if (rest > 0) this.#held.set(id, rest);
      else this.#held.delete(id);
    };
  }

  /** Returns the record of a code; undefined when it is not kept any more. */
  recordOf(id: string): JoinCodeRecord | undefined {
    return this.#revocations.recordOf(id);
  }

  /** Returns all codes that are kept, the newest first. */
  list(): ListedJoinCode[] {
    const now = this.#options.clock.now();
    return [...this.set.entries()]
      .map(([id, record]) => this.#listed(id, this.recordOf(id) ?? record, now))
      .sort((a, b) => Date.parse(b.record.at) - Date.parse(a.record.at) || (a.id < b.id ? -1 : 1));
  }

  /**
   * Makes a code. Its token is returned here and is stored nowhere. @throws MusterError `conflict` when too many codes are
   * valid, and when the operation has made one before; `unreachable` or `failed` when the store did not take it: then no token of it is known, so it lets nobody in.
   */
  async create(wish: JoinCodeWish, act: Act): Promise<{ token: string; code: ListedJoinCode }> {
    const now = this.#options.clock.now();
    await this.#forgetOld(1);
    if (this.set.size >= maxCodes) throw tooMany();
    const { lifetimeMs, uses, approve, labels, network } = wish;
    const id = act.operation === undefined ? newId() : idOf(act.operation);
    if (this.set.get(id)) throw madeBefore(id);
    const token = joinToken(id, randomBytes(secretBytes));
    const record: JoinCodeRecord = {
      hash: hashToken(token).toString('base64url'),
      at: now.toISOString(),
      by: act.actor,
      endsAt: new Date(now.getTime() + lifetimeMs).toISOString(),
      uses,
      approve,
      labels,
      ...(network === undefined ? {} : { network }),
      ...withOperation(undefined, 'join_code_created', act.operation),
    };
    await this.set.set(id, record).catch(error => {
      if (wasChanged(error)) throw madeBefore(id);
      throwUnstored(error, { what: 'no join code was made', hint: 'try again in a moment' });
    });
    this.#tell('join_code_created', { id, record }, act);
    return { token, code: this.#listed(id, record, now) };
  }

  /**
   * Revokes a code, so that it lets nobody in any more. Nodes that used it stay. @throws MusterError `not_found`;
   * `conflict` when it lets nobody in already; `unreachable` or `failed` when the store did not answer or take it.
   */
  async revoke(id: string, act: Act): Promise<ListedJoinCode> {
    const now = this.#options.clock.now();
    const found = this.recordOf(id);
    if (!found) throw new MusterError('not_found', `there is no join code ${id}`, { hint: listHint });
    if (hasDone(this.set.get(id)?.operations, 'join_code_revoked', act.operation))
      return this.#listed(id, found, now);
    const { state } = this.#listed(id, found, now);
    const record = await this.#revocations.revoke(id, found, state, act);
    this.#tell('join_code_revoked', { id, record }, act);
    return this.#listed(id, record, now);
  }

  /**
   * Counts the use of a node whose pin is removed because the node gave way to newcomers. Each pin counts once. @throws
   * BrokerError; MusterError `conflict`
   */
  async onGaveWay(id: string, { key, at }: Pick<Pin, 'key' | 'at'>): Promise<void> {
    const mark = hash('sha256', `${key} ${at}`, 'base64url').slice(0, 16);
    await this.set.update(id, record => record && withNodeGone(record, mark));
  }

  /** Keeps outside of the store that a code is used up, after a node has used it. */
  async onUsed(id: string): Promise<void> {
    const record = this.recordOf(id);
    if (record && this.#usesOf(id, record) >= record.uses) await this.#revocations.keepOver(id);
  }

  /**
   * Revokes codes of an older store without an operator: those that let nobody in any more, and all that were made before
   * `olderSince` (RFC 3339). @throws BrokerError
   */
  async revokeOlder(olderSince: string | undefined): Promise<void> {
    await this.#revocations.revokeOlder(this.list(), olderSince);
  }

  #tell(
    kind: 'join_code_created' | 'join_code_revoked',
    { id, record: { endsAt, uses, approve, network } }: JoinCode,
    act: Act,
  ): void {
    const made = kind === 'join_code_created';
    const what = { code: id, ...(made ? { endsAt, uses, approve, network } : {}) };
    this.#options.log.info({ ...what, ...act }, made ? 'a join code was made' : 'a join code was revoked');
    this.#options.events.announce(kind, { ...act, ...what });
  }

  /**
   * Removes codes that ended long ago, and makes room for `newCodes`. What the store does not remove is tried again
   * later.
   */
  async #forgetOld(newCodes: number): Promise<void> {
    const { clock, log } = this.#options;
    const all = [...this.set.entries()].map(([id, code]) => ({ id, code, used: this.#usesOf(id, code) }));
    for (const id of codesToForget(all, clock.now(), newCodes)) {
      try {
        await this.set.remove(id);
        this.#revocations.forget(id);
      } catch (err) {
        if (!(err instanceof BrokerError || err instanceof MusterError)) throw err;
        log.debug({ code: id, err }, 'an old join code could not be removed; it is tried again');
        return;
      }
    }
  }

  #usesOf(id: string, { gaveWay = 0 }: JoinCodeRecord): number {
    return this.#options.usesOf(id) + gaveWay + (this.#held.get(id) ?? 0);
  }

  #listed(id: string, record: JoinCodeRecord, now: Date): ListedJoinCode {
    const used = this.#options.usesOf(id) + (record.gaveWay ?? 0);
    return { id, record, used, state: stateOf(record, used, now) };
  }
}

const newId = (): string => lettersOf(randomBytes(10));

/** Returns the id of the code that an operation makes, so that no two requesters make two of them. */
const idOf = (operation: string): string => lettersOf(hash('sha256', operation, 'buffer').subarray(0, 10));

const lettersOf = (bytes: Uint8Array): string =>
  Array.from(bytes, byte => idLetters[byte % idLetters.length]).join('');
