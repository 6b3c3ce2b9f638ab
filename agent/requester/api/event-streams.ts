// Sends events over HTTP, one JSON document per line: the stored events and, if the client wants, new events as they come.
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { EventCursor } from '../../protocol/event-cursor.ts';
import { signOfLifeHeader } from '../../protocol/http.ts';
import { systemClock } from '../../system/clock.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import type { Directory } from '../directory/directory.ts';
import { shownEvent } from '../events/shown-event.ts';
import { RequestFault } from './problem.ts';

export interface EventStreamsOptions {
  directory: Directory;
  log: Log;
  /** Number of bytes that may wait for one client. A client that reads its events too slowly is disconnected. */
  maxWaitingBytes?: number;
  /** Number of streams that may be open at the same time. Each open page that shows events has one. */
  maxStreams?: number;
  /** Time between two signs of life in a stream that goes on, in milliseconds. */
  signOfLifeMs?: number;
}

export interface EventQuery {
  node?: string | undefined;
  since?: Date | undefined;
  after?: EventCursor | undefined;
  /** Whether the stream continues with new events. Otherwise it ends after the events that are stored now. */
  follow: boolean;
}

export class EventStreams {
  readonly #directory: Directory;
  readonly #limitedLog: LimitedLog;
  readonly #maxWaitingBytes: number;
  readonly #maxStreams: number;
  readonly #signOfLifeMs: number;
  readonly #open = new Map<ServerResponse, Pick<EventQuery, 'follow'>>();

  constructor(options: EventStreamsOptions) {
    const { directory, log, maxWaitingBytes = 8 * 1024 * 1024, maxStreams = 64 } = options;
    this.#signOfLifeMs = options.signOfLifeMs ?? 5_000;
    this.#directory = directory;
    this.#limitedLog = limitedLog(log, systemClock);
    this.#maxWaitingBytes = maxWaitingBytes;
    this.#maxStreams = maxStreams;
  }

  /**
   * Answers a request on `response`. Resolves when the headers are sent. A stream that goes on ends when `isAllowed` says that its
   * reader may not read any more. @throws RequestFault 429 when too many streams are open; MusterError as the directory does.
   * When it throws, nothing was sent.
   */
  async serve(
    response: ServerResponse,
    { node, since, after, follow }: EventQuery,
    isAllowed: () => boolean,
  ): Promise<void> {
    if (this.#open.size >= this.#maxStreams) {
      throw new RequestFault(429, `${this.#maxStreams} streams of events are open already; close some`);
    }
    this.#open.set(response, { follow });
    response.once('close', () => this.#open.delete(response));
    response.setHeader('Content-Type', 'application/x-ndjson');
    response.setHeader('Cache-Control', 'no-store');
    response.setHeader('X-Content-Type-Options', 'nosniff');
    response.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
    response.setHeader('Connection', 'close');
    if (follow) response.setHeader(signOfLifeHeader, this.#signOfLifeMs);
    const room = roomIn(response, this.#maxWaitingBytes / 8);
    // What is stored is read at once, so it is enough to ask before each new event and each sign of life.
    let isNew = false;
    const work = this.#directory.follow({ node, since, after }, (event, cursor) => {
      if (isNew && !isAllowed()) return void response.end();
      this.#send(response, event, cursor);
      return room();
    });
    const feed = await work.catch((error: unknown) => {
      if (!response.headersSent) throw error;
      // The broker was lost after the first events.
      cutOff(response);
    });
    if (!feed) return;
    if (response.destroyed) return feed.stop();
    response.once('close', () => feed.stop());
    response.flushHeaders();
    if (follow) this.#giveSignsOfLife(response, isAllowed);
    feed.ready.then(
      () => {
        isNew = true;
        if (!follow) response.end();
      },
      () => {
        if (!follow) cutOff(response);
      },
    );
  }

  /** Ends every stream that goes on, and cuts off the lists. Node would close the connections of the complete ones too. */
  close(): void {
    for (const [response, { follow }] of this.#open) {
      if (follow) response.end();
      else cutOff(response);
    }
  }

  // A client takes a silent stream for one that hangs, and asks another requester. So an empty line comes while nothing
  // happens, but not while this requester hears nothing itself.
  #giveSignsOfLife(response: ServerResponse, isAllowed: () => boolean): void {
    const timer = setInterval(() => {
      if (!isAllowed()) response.end();
      else if (response.writableLength === 0 && !response.writableEnded && this.#directory.hearsEvents)
        response.write('\n');
    }, this.#signOfLifeMs);
    response.once('close', () => clearInterval(timer));
  }

  #send(response: ServerResponse, event: Uint8Array, cursor: string): void {
    if (response.writableEnded || response.destroyed) return;
    const line = this.#line(event, cursor);
    if (line) response.write(line);
    if (response.writableLength <= this.#maxWaitingBytes) return;
    this.#limitedLog.warn('slow', {}, 'a client takes its events too slowly and is cut off');
    // The connection is destroyed and not ended, so that the client sees that events are missing.
    response.destroy();
  }

  #line(event: Uint8Array, cursor: string): string | undefined {
    try {
      return `${shownEvent(event, cursor)}\n`;
    } catch (err) {
      this.#limitedLog.warn('unreadable', { err }, 'a stored event cannot be read; it is skipped');
      return undefined;
    }
  }
}

/**
 * Destroys the connection of a list that is not complete: a client must not take the events that it has got for all of them. Node
 * sends the head and what else is written in a turn at the end of that turn, and without a head the client would have no answer at all.
 */
function cutOff(response: ServerResponse): void {
  process.nextTick(() => {
    const { socket } = response;
    // A proxy may speak HTTP/1.0, in which the end of the connection is the end of the answer. Only a reset says that more was to come.
    if (response.req.httpVersion === '1.0' && socket && !isEncrypted(socket)) socket.resetAndDestroy();
    else response.destroy();
  });
}

const isEncrypted = (socket: Socket): boolean => 'encrypted' in socket;

/**
 * Returns a function that waits until the client has room for more events. It does not wait while fewer than `fullBytes`
 * are buffered; otherwise it waits until the client has read all of them. Without it, stored events would fill the
 * memory, because they are read much faster than a client takes them.
 */
function roomIn(response: ServerResponse, fullBytes: number): () => void | Promise<void> {
  let waiting: Promise<void> | undefined;
  return () => {
    if (!response.writableNeedDrain || response.writableLength < fullBytes || response.destroyed) return;
    waiting ??= new Promise<void>(resolve => {
      const go = () => {
        response.off('drain', go);
        response.off('close', go);
        waiting = undefined;
        resolve();
      };
      response.on('drain', go);
      response.on('close', go);
    });
    return waiting;
  };
}
