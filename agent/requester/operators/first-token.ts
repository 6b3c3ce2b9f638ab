// The first token is the operator's token of the requester's own machine. It is in a file that only the requester's user,
// and root, can read, and the commands on this machine find it there by themselves. Each requester of a cluster has its own.
import { hash, randomBytes } from 'node:crypto';
import {
  firstOperator,
  firstOperatorOf,
  operatorNamePattern,
  operatorOf,
  operatorSecretBytes,
  operatorToken,
} from '../../protocol/operator-token.ts';
import { hashToken } from '../../protocol/secret-hash.ts';
import type { Clock } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import { rememberSecret } from '../../system/secrets.ts';
import type { Bucket } from '../../transport/port.ts';
import { wasChanged } from '../cluster/record-conflict.ts';
import type { RecordSet } from '../cluster/record-set.ts';
import { type FirstTokenFile, whyNotFirstToken } from './first-token-file.ts';
import type { OperatorRecord } from './operator-record.ts';

export interface FirstTokenOptions {
  file: FirstTokenFile;
  records: RecordSet<OperatorRecord>;
  /** The bucket of the records. */
  bucket: Pick<Bucket, 'get'>;
  /** The node id of this requester. */
  requesterId: string;
  clock: Clock;
  log: Log;
  /** Keeps the token of a former record void. */
  keepVoid(name: string, record: OperatorRecord): Promise<void>;
}

/** Number of attempts to make the token while another requester makes its own. */
const attempts = 3;

export class FirstToken {
  readonly #options: FirstTokenOptions;
  /** Resolves when the last work on file and record is done. Two at once would write two tokens, and keep one of each. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: FirstTokenOptions) {
    this.#options = options;
  }

  /**
   * Makes the token, unless its file and the store agree. The old one is void then: somebody else may have the file that is
   * not here any more. @throws BrokerError; MusterError `not_writable`
   */
  ensure(): Promise<void> {
    return this.#inTurn(() => this.#agree());
  }

  /** Returns whether a record is that of this requester's own token. */
  isOwn(name: string, record: OperatorRecord): boolean {
    const { requesterId } = this.#options;
    // An older version wrote no requester into it, and there was only one.
    return record.requester === requesterId || (name === firstOperator && record.requester === undefined);
  }

  /**
   * Makes another token instead of that of `before`. Its record has `more`. @throws MusterError `conflict` when the record is another one meanwhile;
   * `not_writable`; BrokerError
   */
  replace(name: string, before: OperatorRecord, more: Pick<OperatorRecord, 'operations'>): Promise<void> {
    return this.#inTurn(async () => {
      try {
        await this.#make(name, before, more);
      } catch (error) {
        // The file has the new token, but the store has another one.
        if (wasChanged(error)) await this.#agree();
        throw error;
      }
    });
  }

  /** Makes a token until file and store agree. */
  async #agree(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#makeUnlessThere();
      } catch (error) {
        if (!wasChanged(error) || attempt === attempts) throw error;
      }
    }
  }

  /**
   * Makes a token over the record by which the caller has decided; undefined for none. The file is written first: after a
   * crash between the two, the next start makes another one.
   */
  async #make(
    name: string,
    before: OperatorRecord | undefined,
    more: Pick<OperatorRecord, 'operations'> = {},
  ): Promise<void> {
    const { file, records, keepVoid } = this.#options;
    const token = operatorToken(name, randomBytes(operatorSecretBytes));
    rememberSecret(token);
    await file.write(token);
    await records.set(name, { ...this.#recordOf(token), ...more }, before);
    if (before) await keepVoid(name, before);
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #makeUnlessThere(): Promise<void> {
    const { file, records, log } = this.#options;
    const name = await this.#findName();
    const record = records.get(name);
    const why = await whyNotFirstToken(file, name, record);
    if (why === undefined) return await this.#claim(name, record);
    if (!record && (await this.#keep(name))) return;
    await this.#make(name, record);
    const { path } = file;
    if (!record && why === 'there is no file')
      log.info({ path }, "the operator's token of this machine was made");
    else log.warn({ path, why }, "the operator's token of this machine was made anew; the old one is void");
  }

  /** Returns the operator to whom the token belongs: the one in the file, or the first whose record is free or our own. */
  async #findName(): Promise<string> {
    const { file, records, requesterId } = this.#options;
    const names = [firstOperator, ...firstOperatorsOf(requesterId)];
    const inFile = operatorOf((await file.read().catch(() => undefined)) ?? '');
    const isFree = (name: string) => {
      const record = records.get(name);
      return record === undefined || this.isOwn(name, record);
    };
    const own = names.find(name => name === inFile && isFree(name)) ?? names.find(isFree);
    return own ?? firstOperator;
  }

  // Says in a record of an older version whose it is, so that another requester makes a token of its own.
  async #claim(name: string, record: OperatorRecord | undefined): Promise<void> {
    const { records, requesterId } = this.#options;
    if (record && record.requester === undefined)
      await records.set(name, { ...record, requester: requesterId }, record);
  }

  // Lets the store know the token in the file again, because the requester was killed between the two, or the store was lost.
  // Returns false when the file has none, or when the token was revoked at another requester.
  async #keep(name: string): Promise<boolean> {
    const { file, records, bucket } = this.#options;
    const token = await file.read().catch(() => undefined);
    if (token === undefined || operatorOf(token) !== name) return false;
    const entry = await bucket.get(`${records.watched.prefix}${name}`);
    if (entry?.marker) return false;
    await records.set(name, this.#recordOf(token), undefined);
    return true;
  }

  #recordOf(token: string): OperatorRecord {
    const { clock, requesterId } = this.#options;
    return {
      hash: hashToken(token).toString('base64url'),
      readOnly: false,
      createdBy: 'requester',
      requester: requesterId,
      at: clock.now().toISOString(),
    };
  }
}

/** Returns the names that the operator of another requester's machine may have. Not every node id can be a part of a name. */
function firstOperatorsOf(requesterId: string): string[] {
  const short = hash('sha256', requesterId, 'base64url').slice(0, 16);
  return [firstOperatorOf(requesterId), firstOperatorOf(short)].filter(name =>
    operatorNamePattern.test(name),
  );
}
