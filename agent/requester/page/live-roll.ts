// Sends the roll to all open pages: once whole to each, then what changes and which events come, at most once a second. While no
// page is open, nothing is done.
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RollState } from '../../protocol/roll-rows.ts';
import type { Clock } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import type { Log } from '../../system/log.ts';
import type { Directory } from '../directory/directory.ts';
import type { SeenNode } from '../directory/seen-node.ts';
import { LiveEvents } from './live-events.ts';
import { RollChanges } from './roll-changes.ts';
import { pieceOf, type RollPiece, RollPieces, signOfLife } from './roll-pieces.ts';

/** Number of nodes that are looked at, and of rows that are made, before other work of the requester has its turn. */
const nodesInOneTurn = 2_000;
const rowsInOneTurn = 100;
/** Time for which a whole roll, with what has changed since, also serves pages that come later, in milliseconds. */
const sharedMs = 5_000;

export interface LiveRollOptions {
  clock: Pick<Clock, 'now' | 'monotonic'>;
  log: Log;
  /** See Directory. */
  seen(): Iterable<SeenNode>;
  follow: Directory['follow'];
  /** Returns the state of the requester. */
  state(): Omit<RollState, 'at'>;
  /** Time between two passes, in milliseconds. */
  intervalMs?: number | undefined;
  /** Time after which a sign of life follows the last piece, in milliseconds. */
  signOfLifeMs?: number | undefined;
}

/** Takes the pieces for one page. */
export interface RollReader {
  /** Takes a piece. `isWhole` says that it is a part of what each page gets once, however slowly it reads that. */
  take(piece: RollPiece, isWhole: boolean): void;
  /** Is told that the requester has no roll any more. */
  end(): void;
}

/** What some pages get: the whole roll, and what has changed since. */
interface Issue {
  readers: Set<RollReader>;
  /** The pieces so far, for pages that come later; undefined when they are too old. */
  pieces: RollPiece[] | undefined;
  madeAt: number;
}

export class LiveRoll {
  readonly #options: LiveRollOptions;
  readonly #intervalMs: number;
  readonly #signOfLifeMs: number;
  readonly #changes = new RollChanges();
  readonly #events: LiveEvents;
  readonly #issues = new Set<Issue>();
  /** The pages that wait for the next issue. */
  readonly #newcomers = new Set<RollReader>();
  #isRunning = false;
  #wake: (() => void) | undefined;
  #lastPieceAt = 0;
  #state: Omit<RollState, 'at'> = { state: '', reason: '' };

  constructor(options: LiveRollOptions) {
    this.#options = options;
    this.#events = new LiveEvents(options);
    this.#intervalMs = options.intervalMs ?? 1_000;
    this.#signOfLifeMs = options.signOfLifeMs ?? 5_000;
  }

  /** Sends the roll to a page, and what changes from then on, until `remove` is called. */
  add(reader: RollReader): void {
    const now = this.#options.clock.monotonic();
    const shared = [...this.#issues].find(({ pieces, madeAt }) => pieces && now - madeAt < sharedMs);
    if (shared) {
      shared.readers.add(reader);
      for (const piece of shared.pieces ?? []) reader.take(piece, true);
      return;
    }
    this.#newcomers.add(reader);
    this.#wake?.();
    if (!this.#isRunning) void this.#run();
  }

  remove(reader: RollReader): void {
    this.#newcomers.delete(reader);
    for (const issue of this.#issues) {
      issue.readers.delete(reader);
      if (issue.readers.size === 0) this.#issues.delete(issue);
    }
    if (!this.#isOpen) this.#wake?.();
  }

  get #isOpen(): boolean {
    return this.#newcomers.size > 0 || this.#issues.size > 0;
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    try {
      while (this.#isOpen) {
        await this.#tellChanges();
        if (this.#newcomers.size > 0) await this.#tellWhole();
        await this.#pause();
      }
    } catch (err) {
      // The requester stops, or serves no more. A page then asks again, and is told why it gets nothing.
      if (!(err instanceof MusterError)) this.#options.log.error({ err }, 'the live roll of the page failed');
      this.#endAll();
    } finally {
      this.#changes.clear();
      this.#events.close();
      this.#isRunning = false;
    }
  }

  async #tellChanges(): Promise<void> {
    const now = this.#options.clock.now();
    this.#tellState(now);
    const pieces = new RollPieces(now.getTime());
    let turn = 0;
    for (const change of this.#changes.pass(this.#options.seen(), now)) {
      const piece = change && pieces.add(change);
      if (piece) this.#send(piece);
      turn += change ? nodesInOneTurn / rowsInOneTurn : 1;
      if (turn < nodesInOneTurn) continue;
      turn = 0;
      await nextTurn();
    }
    for (const change of this.#events.take()) {
      const piece = pieces.add(change);
      if (piece) this.#send(piece);
    }
    for (const piece of pieces.end()) this.#send(piece);
    const { clock } = this.#options;
    if (clock.monotonic() - this.#lastPieceAt >= this.#signOfLifeMs) this.#send(signOfLife());
  }

  #tellState(now: Date): void {
    const { state, reason } = this.#options.state();
    if (state === this.#state.state && reason === this.#state.reason) return;
    this.#state = { state, reason };
    this.#send(pieceOf('state', { at: now.getTime(), state, reason }));
  }

  async #tellWhole(): Promise<void> {
    const { clock, seen } = this.#options;
    const issue: Issue = { readers: new Set(this.#newcomers), pieces: [], madeAt: clock.monotonic() };
    this.#newcomers.clear();
    this.#issues.add(issue);
    const pieces = new RollPieces(clock.now().getTime());
    let rows = 0;
    for (const node of seen()) {
      const row = this.#changes.rowOf(node, clock.now());
      const piece = pieces.add({ kind: 'row', row });
      if (piece) give(issue, piece, true);
      if (++rows % rowsInOneTurn === 0) await nextTurn();
    }
    for (const piece of pieces.end()) give(issue, piece, true);
    give(issue, pieceOf('ready', { nodes: rows }), true);
    if (this.#events.isFollowing) give(issue, pieceOf('following', { at: clock.now().getTime() }), true);
  }

  #send(piece: RollPiece): void {
    const now = this.#options.clock.monotonic();
    this.#lastPieceAt = now;
    for (const issue of this.#issues) {
      if (now - issue.madeAt >= sharedMs) issue.pieces = undefined;
      give(issue, piece, false);
    }
  }

  async #pause(): Promise<void> {
    if (this.#newcomers.size > 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, this.#intervalMs);
    this.#wake = resolve;
    await promise;
    clearTimeout(timer);
    this.#wake = undefined;
  }

  #endAll(): void {
    const readers = [...this.#newcomers, ...[...this.#issues].flatMap(issue => [...issue.readers])];
    this.#newcomers.clear();
    this.#issues.clear();
    for (const reader of readers) reader.end();
  }
}

function give({ readers, pieces }: Issue, piece: RollPiece, isWhole: boolean): void {
  pieces?.push(piece);
  for (const reader of readers) reader.take(piece, isWhole);
}
