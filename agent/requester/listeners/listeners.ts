// The listeners of a cluster: programs of other people that read its events. Each has a token, of which the store has only
// the hash, and a durable in the event stream.
import { randomBytes } from 'node:crypto';
import type { AccountKeys } from '../../protocol/account-keys.ts';
import type { CalloutAnswer, CalloutQuestion } from '../../protocol/callout.ts';
import type { ListenerView } from '../../protocol/http-listeners.ts';
import {
  durableName,
  durableRandomBytes,
  listenerSecretBytes,
  listenerToken,
  maxListeners,
} from '../../protocol/listener.ts';
import { hashToken } from '../../protocol/secret-hash.ts';
import type { SubjectTemplates } from '../../protocol/subject-template.ts';
import type { Clock } from '../../system/clock.ts';
import type { MusterError } from '../../system/errors.ts';
import type { Log } from '../../system/log.ts';
import { rememberSecret } from '../../system/secrets.ts';
import type { Bucket, Connection } from '../../transport/port.ts';
import { wasChanged } from '../cluster/record-conflict.ts';
import { hasDone, removalHeaders, withOperation } from '../cluster/record-operations.ts';
import { RecordSet } from '../cluster/record-set.ts';
import type { Act, RequesterAnnouncer } from '../events/requester-events.ts';
import { keepVoid, removeVoidTokens, type TokenLedger } from '../ledger/void-tokens.ts';
import { Durables, type DurablesOptions } from './durables.ts';
import { ListenerConnections } from './listener-connections.ts';
import { ListenerDoor } from './listener-door.ts';
import {
  madeBefore,
  notFound,
  taken,
  throwUnread,
  throwUnrevoked,
  throwUnwritten,
  tooMany,
} from './listener-faults.ts';
import { type ListenerRecord, listenerRecordSchema } from './listener-record.ts';

export interface ListenersOptions {
  connection: Connection;
  /** The accounts on a NATS with an operator. */
  accounts?: AccountKeys | undefined;
  bucket: Bucket;
  stream: DurablesOptions['stream'];
  clock: Clock;
  log: Log;
  events: RequesterAnnouncer;
  /** The subjects that are opened for approved nodes; without it none are. */
  approved?: SubjectTemplates | undefined;
  /** Keeps outside of the store which tokens are void. */
  ledger?: TokenLedger | undefined;
}

/** What an operator wants of a new listener. */
export interface NewListener {
  name: string;
  /** Whether it also reads the events that are stored already. */
  fromOldest: boolean;
  /** Whether it may also speak with approved nodes. */
  work?: boolean | undefined;
  /** Time for which the token is valid, in milliseconds; undefined for a token that stays valid. */
  validMs?: number | undefined;
}

export class Listeners {
  readonly #options: ListenersOptions;
  readonly #records: RecordSet<ListenerRecord>;
  /** The listeners that were revoked, and whose records the store has not forgotten yet. */
  readonly #revoked = new Set<string>();
  readonly #durables: Durables;
  readonly #connections: ListenerConnections;
  readonly #door: ListenerDoor;

  constructor(options: ListenersOptions) {
    const { bucket, log } = options;
    this.#options = options;
    this.#records = new RecordSet({
      bucket,
      prefix: 'listener.',
      schema: listenerRecordSchema,
      log,
      onOthersChange: (...change) => void this.#onOthersChange(...change),
    });
    this.#durables = new Durables({ ...options, records: () => this.#valid() });
    this.#connections = new ListenerConnections(options);
    this.#door = new ListenerDoor({
      ...options,
      record: name => (this.#revoked.has(name) ? undefined : this.#records.get(name)),
      hasListeners: () => this.#records.size > 0,
      durables: this.#durables,
      connections: this.#connections,
    });
  }

  /** The records in the store. */
  get sets() {
    return [this.#records] as const;
  }

  /** Removes the listeners whose tokens are void. It runs after the records were read. @throws BrokerError */
  async open(): Promise<void> {
    const { ledger, log } = this.#options;
    await removeVoidTokens(this.#records, 'listener', ledger, log);
    this.#records.tellChanges();
  }

  /** Begins to keep the durables, and to watch what listeners send. Returns a function that ends it. */
  start(): () => void {
    this.#durables.start();
    this.#door.start();
    return () => {
      this.#durables.stop();
      this.#door.stop();
    };
  }

  /** Writes the records again into a store that was lost. @throws BrokerError; MusterError `conflict` */
  restore(): Promise<void> {
    return this.#records.restore();
  }

  /** Makes the durables again in a stream that was lost. */
  restoreDurables(): Promise<void> {
    return this.#durables.check();
  }

  /** Decides about a client that shows the token of a listener. Returns undefined for any other client. */
  admit(question: CalloutQuestion): Promise<CalloutAnswer | undefined> {
    return this.#door.admit(question);
  }

  /** Whether anything is opened for approved nodes. Until then no listener is let in to speak with them. */
  get isWorkOpen(): boolean {
    return this.#door.isWorkOpen;
  }

  /** Returns the listeners, sorted by name, and what each has not read yet, as far as the broker tells. */
  async list(): Promise<ListenerView[]> {
    const states = await this.#durables.states();
    return [...this.#records.entries()]
      .map(([Name, { durable, work = false, expires, createdBy, at }]) => {
        const state = states?.get(durable);
        return {
          Name,
          Durable: durable,
          Work: work,
          ...(state ? { Unread: state.unread + state.unacknowledged } : {}),
          ...(expires ? { Expires: expires } : {}),
          CreatedBy: createdBy,
          At: at,
        };
      })
      .sort((a, b) => (a.Name < b.Name ? -1 : 1));
  }

  /**
   * Makes a listener, and returns its token, which is shown only here, and its durable. @throws MusterError `conflict` when
   * there is a listener of this name, when the operation has made one before, or when there are too many; `unreachable` when the store gave no answer, so that the
   * listener may exist; `failed`.
   */
  async create(
    { name, fromOldest, work = false, validMs }: NewListener,
    act: Act,
  ): Promise<{ token: string; record: ListenerRecord }> {
    const { clock, events, log } = this.#options;
    const there = this.#records.get(name);
    if (there) throw takenBy(name, there, act);
    if (this.#records.size >= maxListeners) throw tooMany(maxListeners);
    const before = await this.#records.removedOperations(name).catch(error => throwUnread(error, name));
    if (hasDone(before, 'listener_created', act.operation)) throw madeBefore(name);
    const now = clock.now();
    const token = listenerToken(name, randomBytes(listenerSecretBytes));
    rememberSecret(token);
    const record: ListenerRecord = {
      hash: hashToken(token).toString('base64url'),
      durable: durableName(name, randomBytes(durableRandomBytes)),
      ...(fromOldest ? {} : { since: now.toISOString() }),
      ...(work ? { work } : {}),
      ...(validMs === undefined ? {} : { expires: new Date(now.getTime() + validMs).toISOString() }),
      createdBy: act.actor,
      at: now.toISOString(),
      ...withOperation(before, 'listener_created', act.operation),
    };
    await this.#records.set(name, record).catch(error => {
      const other = wasChanged(error) ? this.#records.get(name) : undefined;
      if (other) throw takenBy(name, other, act);
      throwUnwritten(error, name);
    });
    await this.#durables.ensure(name, record);
    const about = {
      listener: name,
      ...(work ? { work } : {}),
      ...(record.expires ? { expires: record.expires } : {}),
    };
    log.info({ ...about, ...act }, 'a listener was made');
    events.announce('listener_created', { ...act, ...about });
    return { token, record };
  }

  /**
   * Makes the token of a listener void, ends its connections and removes its durable. @throws MusterError `not_found`;
   * `unreachable` or `failed` when the store did not forget it: then the token is void only until the requester starts again.
   */
  async revoke(name: string, act: Act): Promise<void> {
    const { events, log, ledger, clock } = this.#options;
    const record = this.#records.get(name);
    if (await this.#hasRevoked(name, record, act)) return;
    if (!record) throw notFound(name);
    this.#revoked.add(name);
    const headers = removalHeaders(record.operations, 'listener_revoked', act);
    const written = this.#records.delete(name, headers);
    written.catch(() => undefined);
    // A store that does not answer keeps no connection open.
    await this.#connections.endAll(name);
    await written.catch(error => {
      if (wasChanged(error)) this.#revoked.delete(name);
      throwUnrevoked(error, name);
    });
    await keepVoid(ledger, `listener ${name}`, record, clock.now());
    this.#revoked.delete(name);
    await this.#durables.remove(record.durable);
    log.info({ listener: name, ...act }, 'a listener was revoked');
    events.announce('listener_revoked', { ...act, listener: name });
  }

  /** Returns whether the operation has revoked a listener of this name before. A later one stays then. */
  async #hasRevoked(name: string, record: ListenerRecord | undefined, { operation }: Act): Promise<boolean> {
    if (operation === undefined) return false;
    const texts = record
      ? record.operations
      : await this.#records.removedOperations(name).catch(error => throwUnrevoked(error, name));
    return hasDone(texts, 'listener_revoked', operation);
  }

  // The requester that revokes a listener ends its connections, save those that this one is just letting in.
  async #onOthersChange(
    name: string,
    before: ListenerRecord | undefined,
    after: ListenerRecord | undefined,
  ): Promise<void> {
    if (!before || before.hash === after?.hash || this.#revoked.has(name)) return;
    const { ledger, clock } = this.#options;
    await keepVoid(ledger, `listener ${name}`, before, clock.now());
    await this.#connections.endArriving(name);
  }

  *#valid(): Generator<[string, ListenerRecord]> {
    for (const entry of this.#records.entries()) if (!this.#revoked.has(entry[0])) yield entry;
  }
}

const takenBy = (name: string, { operations }: ListenerRecord, { operation }: Act): MusterError =>
  hasDone(operations, 'listener_created', operation) ? madeBefore(name) : taken(name);
