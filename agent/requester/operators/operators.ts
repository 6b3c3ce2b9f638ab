// The operators' tokens of a cluster: read from the store at the start, made, and revoked. The store has only their hashes.
import { randomBytes } from 'node:crypto';
import type { OperatorView } from '../../protocol/http-operators.ts';
import { isFirstOperator, operatorSecretBytes, operatorToken } from '../../protocol/operator-token.ts';
import { hashToken } from '../../protocol/secret-hash.ts';
import type { Clock } from '../../system/clock.ts';
import type { MusterError } from '../../system/errors.ts';
import type { Log } from '../../system/log.ts';
import { rememberSecret } from '../../system/secrets.ts';
import type { Bucket } from '../../transport/port.ts';
import { wasChanged } from '../cluster/record-conflict.ts';
import { hasDone, removalHeaders, withOperation } from '../cluster/record-operations.ts';
import { RecordSet } from '../cluster/record-set.ts';
import type { Act, RequesterAnnouncer } from '../events/requester-events.ts';
import { keepVoid, removeVoidTokens, type TokenLedger } from '../ledger/void-tokens.ts';
import type { Counters } from '../status/counters.ts';
import { FirstToken } from './first-token.ts';
import type { FirstTokenFile } from './first-token-file.ts';
import {
  madeBefore,
  notFound,
  reserved,
  taken,
  throwUnread,
  throwUnrevoked,
  throwUnwritten,
  tooMany,
} from './operator-faults.ts';
import { type OperatorRecord, operatorRecordSchema } from './operator-record.ts';
import { OperatorTable, type TokenCheck } from './operator-table.ts';

/** Largest number of operators, so that nobody with a token can fill the store and the memory. */
const maxOperators = 1000;

export interface OperatorsOptions {
  bucket: Bucket;
  clock: Clock;
  log: Log;
  counters: Pick<Counters, 'refusedTokens'>;
  /** The node id of this requester. */
  requesterId: string;
  /** The file of the first token; without it none is made. */
  firstToken?: FirstTokenFile | undefined;
  events: RequesterAnnouncer;
  /** Keeps outside of the store which tokens are void. */
  ledger?: TokenLedger | undefined;
}

/** What somebody asks for who makes a token. */
export interface NewOperator {
  name: string;
  readOnly: boolean;
  /** Time for which the token is valid, in milliseconds; undefined for a token that stays valid. */
  validMs?: number | undefined;
}

export class Operators {
  readonly #options: OperatorsOptions;
  readonly #records: RecordSet<OperatorRecord>;
  /** The operators whose tokens were revoked, and whose records the store has not forgotten yet. */
  readonly #revoked = new Set<string>();
  readonly #table: OperatorTable;
  readonly #first: FirstToken | undefined;

  constructor(options: OperatorsOptions) {
    const { bucket, log, firstToken: file } = options;
    this.#options = options;
    this.#records = new RecordSet({
      bucket,
      prefix: 'operator.',
      schema: operatorRecordSchema,
      log,
      onOthersChange: (...change) => void this.#onOthersChange(...change),
    });
    const keepVoid = this.#keepVoid.bind(this);
    this.#first = file && new FirstToken({ ...options, file, records: this.#records, keepVoid });
    this.#table = new OperatorTable({
      get: name => (this.#revoked.has(name) ? undefined : this.#records.get(name)),
    });
  }

  /** The records in the store. */
  get sets() {
    return [this.#records] as const;
  }

  /**
   * Makes the first token unless it is there. It runs after the records were read. @throws BrokerError; MusterError
   * `not_writable`.
   */
  async open(): Promise<void> {
    const { ledger, log } = this.#options;
    await removeVoidTokens(this.#records, 'operator', ledger, log);
    await this.#first?.ensure();
    this.#records.tellChanges();
  }

  /** Whether another requester has a token for its own machine, so that there are or were several. */
  get knowsOtherRequesters(): boolean {
    const { requesterId } = this.#options;
    return [...this.#records.entries()].some(
      ([, { requester }]) => (requester ?? requesterId) !== requesterId,
    );
  }

  /** Says whose token `text` is, and counts one that is not valid. */
  check(text: string): TokenCheck {
    const { clock, counters } = this.#options;
    const checked = this.#table.check(text, clock.now());
    if (checked.kind !== 'valid') counters.refusedTokens++;
    return checked;
  }

  /** See OperatorTable.prove. */
  prove(name: string, nonce: string, place: string): Buffer {
    return this.#table.prove(name, nonce, place);
  }

  /** Returns the operators, sorted by name. */
  list(): OperatorView[] {
    return [...this.#records.entries()]
      .map(([Name, { readOnly, expires, createdBy, at }]) => ({
        Name,
        ReadOnly: readOnly,
        ...(expires ? { Expires: expires } : {}),
        CreatedBy: createdBy,
        At: at,
      }))
      .sort((a, b) => (a.Name < b.Name ? -1 : 1));
  }

  /**
   * Makes a token and returns it. It is shown only here. @throws MusterError `conflict` when there is an operator of this
   * name, when the operation has made one before, or when there are too many; `unreachable` when the store gave no answer, so that the token may exist.
   */
  async create({ name, readOnly, validMs }: NewOperator, act: Act): Promise<string> {
    const { clock, events, log } = this.#options;
    const there = this.#records.get(name);
    if (there) throw takenBy(name, there, act);
    if (isFirstOperator(name)) throw reserved(name);
    if (this.#records.size >= maxOperators) throw tooMany(maxOperators);
    const before = await this.#records.removedOperations(name).catch(error => throwUnread(error, name));
    if (hasDone(before, 'operator_created', act.operation)) throw madeBefore(name);
    const now = clock.now();
    const token = newToken(name);
    const expires = validMs === undefined ? undefined : new Date(now.getTime() + validMs).toISOString();
    const record: OperatorRecord = {
      hash: hashToken(token).toString('base64url'),
      readOnly,
      ...(expires ? { expires } : {}),
      createdBy: act.actor,
      at: now.toISOString(),
      ...withOperation(before, 'operator_created', act.operation),
    };
    await this.#records.set(name, record).catch(error => {
      const other = wasChanged(error) ? this.#records.get(name) : undefined;
      if (other) throw takenBy(name, other, act);
      throwUnwritten(error, name);
    });
    log.info({ operator: name, readOnly, expires, ...act }, 'an operator was given a token');
    events.announce('operator_created', {
      ...act,
      operator: name,
      readOnly,
      ...(expires ? { expires } : {}),
    });
    return token;
  }

  /**
   * Makes the token of an operator void. That of a requester's own machine is made anew at once by that requester. @throws
   * MusterError `not_found`; `unreachable` or `failed` when the store did not forget it: then it is void only until the
   * requester starts again.
   */
  async revoke(name: string, act: Act): Promise<void> {
    const { events, log } = this.#options;
    const before = this.#records.get(name);
    if (await this.#hasRevoked(name, before, act)) return;
    if (!before) throw notFound(name);
    const kind = 'operator_revoked';
    this.#revoked.add(name);
    try {
      const { operations } = before;
      if (this.#first?.isOwn(name, before))
        await this.#first.replace(name, before, withOperation(operations, kind, act.operation));
      else await this.#records.delete(name, removalHeaders(operations, kind, act));
    } catch (error) {
      if (wasChanged(error)) this.#revoked.delete(name);
      throwUnrevoked(error, name);
    }
    await this.#keepVoid(name, before);
    this.#revoked.delete(name);
    log.info({ operator: name, ...act }, "an operator's token was revoked");
    events.announce('operator_revoked', { ...act, operator: name });
  }

  /** Writes the records again into a store that was lost. @throws BrokerError; MusterError `conflict` */
  restore(): Promise<void> {
    return this.#records.restore();
  }

  /** Returns whether the operation has revoked a token of this operator before. A later one stays then. */
  async #hasRevoked(name: string, record: OperatorRecord | undefined, { operation }: Act): Promise<boolean> {
    if (operation === undefined) return false;
    const texts = record
      ? record.operations
      : await this.#records.removedOperations(name).catch(error => throwUnrevoked(error, name));
    return hasDone(texts, 'operator_revoked', operation);
  }

  #keepVoid(name: string, record: OperatorRecord): Promise<void> {
    const { ledger, clock } = this.#options;
    return keepVoid(ledger, `operator ${name}`, record, clock.now());
  }

  // The token of a record that another requester has removed or replaced is void here too. Those of an older version may
  // replace that of this machine by theirs when they start.
  async #onOthersChange(
    name: string,
    before: OperatorRecord | undefined,
    after: OperatorRecord | undefined,
  ): Promise<void> {
    if (!before || before.hash === after?.hash) return;
    this.#revoked.delete(name);
    await this.#keepVoid(name, before);
    if (!this.#first?.isOwn(name, before) || (after && this.#first.isOwn(name, after))) return;
    const { log } = this.#options;
    await this.#first.ensure().catch(err => {
      const text =
        "the operator's token of this machine is void and could not be made anew; restart the requester";
      log.warn({ operator: name, err }, text);
    });
  }
}

const takenBy = (name: string, { operations }: OperatorRecord, { operation }: Act): MusterError =>
  hasDone(operations, 'operator_created', operation) ? madeBefore(name) : taken(name);

function newToken(name: string): string {
  const token = operatorToken(name, randomBytes(operatorSecretBytes));
  rememberSecret(token);
  return token;
}
