// Sends the live roll over HTTP, to pages that read it as fast as they can.
import type { ServerResponse } from 'node:http';
import type { RollHead } from '../../protocol/roll-rows.ts';
import { systemClock } from '../../system/clock.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import type { Directory } from '../directory/directory.ts';
import { LiveRoll, type RollReader } from '../page/live-roll.ts';
import { gzipHead, pieceOf, type RollPiece } from '../page/roll-pieces.ts';
import { RequestFault } from './problem.ts';

export interface RollStreamsOptions {
  directory: Directory;
  log: Log;
  /** Number of bytes of changes that may wait for one page. The whole roll, which pages share, does not count. */
  maxWaitingBytes?: number | undefined;
  /** Number of pages that may be open at the same time. */
  maxPages?: number | undefined;
  /** Time in which a page must read something when there is something to read, in milliseconds. */
  stopTimeoutMs?: number | undefined;
  /** Time in which a page must have read the whole roll, in milliseconds. Until then, the roll of that moment is kept for it. */
  wholeTimeoutMs?: number | undefined;
  /** See LiveRollOptions. */
  rollIntervalMs?: number | undefined;
  signOfLifeMs?: number | undefined;
}

/** A page that wants the roll. */
export interface RollCall {
  response: ServerResponse;
  head: RollHead;
  /** Whether the browser takes a compressed answer. */
  isPacked: boolean;
  /** Returns whether the reader may still read. Its token may have been revoked. */
  isAllowed(): boolean;
}

export class RollStreams {
  readonly #limitedLog: LimitedLog;
  readonly #maxWaitingBytes: number;
  readonly #maxPages: number;
  readonly #stopTimeoutMs: number;
  readonly #wholeTimeoutMs: number;
  readonly #roll: LiveRoll;
  readonly #open = new Set<ServerResponse>();

  constructor({ directory, log, ...options }: RollStreamsOptions) {
    this.#limitedLog = limitedLog(log, systemClock);
    this.#maxWaitingBytes = options.maxWaitingBytes ?? 4 * 1024 * 1024;
    this.#maxPages = options.maxPages ?? 64;
    this.#stopTimeoutMs = options.stopTimeoutMs ?? 30_000;
    this.#wholeTimeoutMs = options.wholeTimeoutMs ?? 120_000;
    this.#roll = new LiveRoll({
      clock: systemClock,
      log,
      seen: () => directory.seen(),
      follow: (...wish) => directory.follow(...wish),
      state: () => stateOf(directory),
      intervalMs: options.rollIntervalMs,
      signOfLifeMs: options.signOfLifeMs,
    });
  }

  /** Answers a request with the roll. @throws RequestFault 429 when too many pages are open. Then nothing was sent. */
  serve({ response, head, isPacked, isAllowed }: RollCall): void {
    if (this.#open.size >= this.#maxPages)
      throw new RequestFault(429, `${this.#maxPages} pages are open already; close some`);
    this.#open.add(response);
    response.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      'Cross-Origin-Resource-Policy': 'same-origin',
      Connection: 'close',
      Vary: 'Accept-Encoding, Authorization',
      ...(isPacked ? { 'Content-Encoding': 'gzip' } : {}),
    });
    if (isPacked) response.write(gzipHead);
    const waiting = new WaitingPieces(response, isPacked, {
      maxBytes: this.#maxWaitingBytes,
      stopTimeoutMs: this.#stopTimeoutMs,
      wholeTimeoutMs: this.#wholeTimeoutMs,
      onSlow: () =>
        this.#limitedLog.warn(
          'slow',
          {},
          'a page takes the roll too slowly and is cut off; it may come again',
        ),
    });
    const reader: RollReader = {
      take: (piece, isWhole) => {
        if (!isWhole && !isAllowed()) response.end();
        else waiting.add(piece, isWhole);
      },
      end: () => response.end(),
    };
    response.once('close', () => {
      this.#open.delete(response);
      waiting.end();
      this.#roll.remove(reader);
    });
    waiting.add(pieceOf('roll', head), true);
    this.#roll.add(reader);
  }

  /** Ends every stream. */
  close(): void {
    for (const response of this.#open) response.end();
  }
}

/** Returns the state of the requester. @throws MusterError as `Directory.seen` */
export function stateOf(directory: Directory): Pick<RollHead, 'state' | 'reason'> {
  const { state, reason = '' } = directory.status();
  return { state, reason };
}

interface Bounds {
  maxBytes: number;
  stopTimeoutMs: number;
  wholeTimeoutMs: number;
  onSlow(): void;
}

/** The pieces that wait until a page has read those before them. A page that reads too slowly is cut off. */
class WaitingPieces {
  readonly #response: ServerResponse;
  readonly #isPacked: boolean;
  readonly #bounds: Bounds;
  readonly #pieces: { bytes: Buffer; isWhole: boolean }[] = [];
  #changedBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #wholeTimer: NodeJS.Timeout;

  constructor(response: ServerResponse, isPacked: boolean, bounds: Bounds) {
    this.#response = response;
    this.#isPacked = isPacked;
    this.#bounds = bounds;
    response.on('drain', () => {
      this.#stopTimer();
      this.#write();
    });
    this.#wholeTimer = setTimeout(() => {
      if (this.#pieces.some(({ isWhole }) => isWhole)) this.#cutOff();
    }, bounds.wholeTimeoutMs);
  }

  add(piece: RollPiece, isWhole: boolean): void {
    if (this.#response.writableEnded || this.#response.destroyed) return;
    const bytes = this.#isPacked ? piece.packed : piece.plain;
    this.#pieces.push({ bytes, isWhole });
    if (!isWhole) this.#changedBytes += bytes.length;
    this.#write();
    if (this.#changedBytes > this.#bounds.maxBytes) this.#cutOff();
  }

  /** Is called once, when the connection is closed. */
  end(): void {
    this.#stopTimer();
    clearTimeout(this.#wholeTimer);
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #write(): void {
    while (!this.#response.writableNeedDrain) {
      const next = this.#pieces.shift();
      if (!next) return;
      if (!next.isWhole) this.#changedBytes -= next.bytes.length;
      this.#response.write(next.bytes);
    }
    this.#timer ??= setTimeout(() => this.#cutOff(), this.#bounds.stopTimeoutMs);
  }

  // It is destroyed and not ended, so that the page sees that something is missing.
  #cutOff(): void {
    this.#bounds.onSlow();
    this.#response.destroy();
  }
}
