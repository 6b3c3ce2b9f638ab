// Claims uses of join codes in their records while several requesters let nodes in, so that two of them never give the last use
// away. A claim is written before the pin, and counts until it became one.
import { type Clock, endsWithin } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import { BrokerError } from '../../transport/port.ts';
import type { RecordSet } from '../cluster/record-set.ts';
import { type CodeClaim, type JoinCodeRecord, type Newcomer, stateOf } from './join-code-rules.ts';
import type { Pins } from './pins.ts';
import { Turns } from './turns.ts';

export interface CodeClaimsOptions {
  clock: Clock;
  set: RecordSet<JoinCodeRecord>;
  pins: Pick<Pins, 'of' | 'usesOf' | 'fenceOff'>;
}

/**
 * Time since a claim was seen first after which it is taken back, in milliseconds: its requester has ended, or its node has
 * gone. It is measured by the clock of the requester that takes it back.
 */
const claimMs = 30_000;
/** Time that the watch has to bring what another requester wrote, in milliseconds. */
const watchTimeoutMs = 5_000;
/** Number of claims of a code at a time. */
const maxClaims = 64;

export class CodeClaims {
  readonly #options: CodeClaimsOptions;
  readonly #turns = new Turns();
  /** The monotonic time when each claim was seen first. */
  readonly #seen = new Map<string, number>();

  constructor(options: CodeClaimsOptions) {
    this.#options = options;
  }

  /** Notes when claims come and go. */
  onChange(before: JoinCodeRecord | undefined, after: JoinCodeRecord | undefined): void {
    const now = this.#options.clock.monotonic();
    const names = new Set(after?.claims?.map(nameOf));
    for (const claim of before?.claims ?? []) if (!names.has(nameOf(claim))) this.#seen.delete(nameOf(claim));
    for (const name of names) if (!this.#seen.has(name)) this.#seen.set(name, now);
  }

  /** Returns how many uses of a code are claimed for others than `newcomer`, and may still become pins. */
  count(id: string, { claims = [] }: JoinCodeRecord, newcomer: Newcomer | undefined): number {
    return this.#open(id, claims).filter(claim => !isFor(claim, newcomer) && !this.#isStale(claim)).length;
  }

  /**
   * Claims a use for a newcomer, or claims it anew. @throws MusterError `conflict` when the code has none left, or too
   * many are claimed at once; BrokerError when the store or the watch does not answer
   */
  claim(id: string, newcomer: Newcomer): Promise<void> {
    return this.#turns.run([id], () => this.#claim(id, newcomer));
  }

  /**
   * Gives a claim back, because its key was not pinned. Another requester may be about to pin the same key, which fails then.
   * @throws BrokerError
   */
  async giveBack(id: string, newcomer: Newcomer): Promise<void> {
    const { pins } = this.#options;
    await this.#fenceOff(newcomer.node);
    if (pins.of(newcomer.node)?.key === newcomer.key) return;
    await this.#options.set.update(id, record => {
      const others = record?.claims?.filter(claim => !isFor(claim, newcomer));
      return record && others && others.length < (record.claims?.length ?? 0)
        ? { ...record, claims: others }
        : undefined;
    });
  }

  async #claim(id: string, { key, node }: Newcomer): Promise<void> {
    const { set, clock, pins } = this.#options;
    for (;;) {
      const record = set.get(id);
      const others = this.#open(id, record?.claims ?? []).filter(claim => !isFor(claim, { key, node }));
      const stale = others.filter(claim => this.#isStale(claim));
      for (const { node: stalled } of stale) await this.#fenceOff(stalled);
      // What was awaited may have changed the record.
      if (set.get(id) !== record) continue;
      const counted = this.#open(id, others).filter(claim => !stale.includes(claim));
      const used = pins.usesOf(id) + (record?.gaveWay ?? 0) + counted.length;
      const now = clock.now();
      if (!record || stateOf(record, used, now) !== 'valid' || counted.length >= maxClaims)
        throw noneLeft(id);
      const claims = [...counted, { key, node, at: now.toISOString() }];
      const watched = set.fenced.untilWatched(id);
      if (await set.fenced.replaceWatched(id, { ...record, claims })) return;
      if (!(await endsWithin(clock, watchTimeoutMs, watched)))
        throw new BrokerError('timeout', `the record of the join code ${id} was not brought in time`);
    }
  }

  /** Returns the claims that did not become pins. */
  #open(id: string, claims: readonly CodeClaim[]): CodeClaim[] {
    const { pins } = this.#options;
    return claims.filter(({ key, node }) => {
      const pin = pins.of(node);
      return pin?.key !== key || (pin.code ?? pin.formerCode) !== id;
    });
  }

  #isStale(claim: CodeClaim): boolean {
    const { clock } = this.#options;
    return clock.monotonic() - (this.#seen.get(nameOf(claim)) ?? clock.monotonic()) >= claimMs;
  }

  // The pin of a claim may be under way all the same. After this, that write fails.
  async #fenceOff(node: string): Promise<void> {
    const { pins } = this.#options;
    if (pins.of(node) !== undefined) return;
    await pins.fenceOff(node).catch(error => {
      // It became a pin at this moment.
      if (!(error instanceof MusterError) || error.code !== 'conflict') throw error;
    });
  }
}

const nameOf = ({ key, node, at }: CodeClaim): string => `${key} ${node} ${at}`;

const isFor = (claim: CodeClaim, newcomer: Newcomer | undefined): boolean =>
  claim.key === newcomer?.key && claim.node === newcomer.node;

const noneLeft = (id: string): MusterError =>
  new MusterError('conflict', `the join code ${id} has no use left, or too many are being used at once`);
