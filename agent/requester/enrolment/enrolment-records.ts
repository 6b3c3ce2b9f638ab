// The enrolment records are what the store knows of keys: pins, bans, deleted and expired nodes, and join codes.
import type { Bucket } from '../../transport/port.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { JoinedBy } from '../roll/membership.ts';
import type { CodeCheck } from './access-rules.ts';
import { Bans, type BansOptions } from './bans.ts';
import { CodeClaims } from './code-claims.ts';
import {
  type DeletedNode,
  deletedNodes,
  type ExpiredNode,
  expiredNodes,
  type FormerNodes,
} from './former-nodes.ts';
import { JoinCodes, type JoinCodesOptions } from './join-codes.ts';
import { Pins, type PinsOptions } from './pins.ts';

export interface EnrolmentRecordsOptions
  extends Omit<JoinCodesOptions, 'usesOf' | 'claimed' | 'onChange' | 'ledger'> {
  /** The bucket that holds what is not about one node. */
  bucket: Bucket;
  /** Keeps outside of the store what an older store must not undo; undefined when nothing does. */
  ledger?: Ledger | undefined;
  /** See PinsOptions and BansOptions. */
  onOthersPin?: PinsOptions['onOthersChange'];
  onOthersBan?: BansOptions['onOthersBan'];
}

export class EnrolmentRecords {
  readonly pins: Pins;
  readonly bans: Bans;
  readonly deleted: FormerNodes<DeletedNode>;
  readonly expired: FormerNodes<ExpiredNode>;
  readonly joinCodes: JoinCodes;
  readonly claims: CodeClaims;

  constructor(options: EnrolmentRecordsOptions) {
    const { bucket, clock, log, ledger, onOthersPin, onOthersBan } = options;
    this.pins = new Pins(bucket, log, {
      now: () => clock.monotonic(),
      replaced: ledger?.mirror('replaced'),
      onOthersChange: onOthersPin,
    });
    this.bans = new Bans(bucket, log, { mirror: ledger?.mirror('ban'), onOthersBan });
    this.deleted = deletedNodes({
      bucket,
      log,
      mirror: ledger?.mirror('deleted'),
      onChange: (...codes) => this.pins.countUses(...codes),
    });
    this.expired = expiredNodes(bucket, log);
    this.joinCodes = new JoinCodes({
      ...options,
      usesOf: id => this.pins.usesOf(id),
      claimed: (...use) => this.claims.count(...use),
      onChange: (...change) => this.claims.onChange(...change),
    });
    this.claims = new CodeClaims({ clock, set: this.joinCodes.set, pins: this.pins });
  }

  /** All of them, to be read from the store and to follow it. */
  get sets() {
    return [
      ...this.pins.sets,
      this.bans.set,
      this.deleted.set,
      this.expired.set,
      this.joinCodes.set,
    ] as const;
  }

  /** Lets what other requesters change have its effects from now on. Before, the store was read, which may be an older one. */
  tellChanges(): void {
    for (const set of this.sets) set.tellChanges();
  }

  /** Writes the records again, because the store was lost. @throws BrokerError */
  async restore(): Promise<void> {
    await this.pins.restore();
    await this.bans.set.restore();
    await this.deleted.set.restore();
    await this.expired.set.restore();
    await this.joinCodes.set.restore();
  }

  /** Says what a join code is worth now for a client at the address `host` that shows `key` and wants to be `node`. */
  checkCode(token: string, host: string, key: string, node: string): CodeCheck {
    const check = this.joinCodes.check(token, host, { key, node });
    return check.kind === 'unknown' ? check : { kind: check.kind, id: check.code.id };
  }

  /** Returns the join code with which a node came in; undefined when it came in by another way. */
  joinedBy(id: string): JoinedBy | undefined {
    const pin = this.pins.of(id);
    if (pin?.code === undefined) return undefined;
    const record = this.joinCodes.recordOf(pin.code);
    // A code that was revoked after the node came in does not approve it any more.
    const approve = record?.approve === true && record.revoked === undefined;
    return { code: pin.code, approve, labels: record?.labels ?? {}, at: pin.at };
  }
}
