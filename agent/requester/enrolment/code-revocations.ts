// Revokes join codes. A code lets nobody in from the moment at which it is revoked, even while the store does not answer.
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import type { Log } from '../../system/log.ts';
import { BrokerError } from '../../transport/port.ts';
import type { RecordSet } from '../cluster/record-set.ts';
import type { Act } from '../events/requester-events.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { throwUnstored } from '../status/unstored.ts';
import { notValid } from './join-code-faults.ts';
import { type JoinCodeRecord, type JoinCodeState, withRevoked } from './join-code-rules.ts';

export interface CodeRevocationsOptions {
  /** The records in the store. */
  set: RecordSet<JoinCodeRecord>;
  clock: Clock;
  log: Log;
  /** Keeps outside of the store which codes let nobody in any more before their end. */
  ledger?: Pick<Ledger, 'get' | 'put'> | undefined;
}

export class CodeRevocations {
  readonly #options: CodeRevocationsOptions;
  /** The records of revoked codes that the store has not taken yet. */
  readonly #revoked = new Map<string, JoinCodeRecord>();
  /** The codes whose revocation the store may have or not, because it gave no answer. It may be repeated. */
  readonly #doubtful = new Set<string>();

  constructor(options: CodeRevocationsOptions) {
    this.#options = options;
  }

  /** Returns the record of a code as it counts here; undefined when it is not kept any more. */
  recordOf(id: string): JoinCodeRecord | undefined {
    return this.#revoked.get(id) ?? this.#options.set.get(id);
  }

  /** Forgets a code that the store has forgotten. */
  forget(id: string): void {
    this.#revoked.delete(id);
  }

  /**
   * Revokes a code, of which record and state are known, and returns its new record. @throws MusterError `conflict` when it lets
   * nobody in already; `unreachable` or `failed` when the store did not answer or take it
   */
  async revoke(id: string, found: JoinCodeRecord, state: JoinCodeState, act: Act): Promise<JoinCodeRecord> {
    const { set, clock } = this.#options;
    const isRepeated = this.#doubtful.delete(id);
    if (state !== 'valid' && !isRepeated) throw notValid(id, state);
    // The first attempt may stand, so a repeated one writes the same.
    const revoked = found.revoked ?? { at: clock.now().toISOString(), by: act.actor };
    const record: JoinCodeRecord = { ...found, revoked };
    this.#revoked.set(id, record);
    try {
      const stored = await set.update(id, newest => newest && withRevoked(newest, revoked, act.operation));
      this.#revoked.delete(id);
      if (stored?.revoked && !isDeepStrictEqual(stored.revoked, revoked)) throw notValid(id, 'revoked');
    } catch (error) {
      if (!(error instanceof BrokerError) || !(await this.#isStored(id, record)))
        throwUnstored(error, {
          what: `the join code ${id} may be revoked or not`,
          hint: 'repeat the command',
        });
    }
    await this.keepOver(id);
    return record;
  }

  /**
   * Revokes codes of an older store without an operator: those that let nobody in any more, and all that were made before
   * `olderSince` (RFC 3339). @throws BrokerError
   */
  async revokeOlder(
    codes: readonly { id: string; record: JoinCodeRecord; state: JoinCodeState }[],
    olderSince: string | undefined,
  ): Promise<void> {
    const { set, clock, ledger, log } = this.#options;
    const revoked = { at: clock.now().toISOString(), by: 'requester' };
    for (const { id, record, state } of codes) {
      const isOlder = olderSince !== undefined && Date.parse(record.at) < Date.parse(olderSince);
      if (state !== 'valid' || !(isOlder || ledger?.get('code', id))) continue;
      await set.update(id, newest => (newest && !newest.revoked ? { ...newest, revoked } : undefined));
      log.warn({ code: id }, 'a join code is void, because the store is older than it was');
    }
  }

  /** Keeps outside of the store that a code lets nobody in any more. */
  async keepOver(id: string): Promise<void> {
    await this.#options.ledger?.put('code', id, { at: this.#options.clock.now().toISOString() });
  }

  /**
   * Reads a code again whose revocation failed or got no answer, and returns whether it stands. When the store does not
   * tell, the code stays revoked until the next start.
   */
  async #isStored(id: string, { revoked }: JoinCodeRecord): Promise<boolean> {
    try {
      const stored = await this.#options.set.read(id);
      this.#revoked.delete(id);
      return stored !== undefined && stored.revoked?.at === revoked?.at;
    } catch (error) {
      if (!(error instanceof BrokerError || error instanceof MusterError)) throw error;
      this.#doubtful.add(id);
      return false;
    }
  }
}
