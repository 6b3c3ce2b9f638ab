// Sends events over HTTP, one JSON document per line: the stored ones and, if the caller wants, new ones as they come.
import type { ServerResponse } from 'node:http';
import { parseJson } from '../../protocol/json.ts';
import { systemClock } from '../../system/clock.ts';
import { type LimitedLog, limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import type { Directory } from '../directory/directory.ts';
import { RequestFault } from './problem.ts';

export interface EventStreamsOptions {
  directory: Directory;
  log: Log;
  /** Bytes that may wait for one client. A client that takes its events too slowly is disconnected. */
  maxWaitingBytes?: number;
  /** How many streams may be open at the same time. */
  maxStreams?: number;
}

export interface EventQuery {
  node?: string | undefined;
  since?: Date | undefined;
  /** Continue with new events; otherwise the stream ends after the events that are stored now. */
  follow: boolean;
}

export class EventStreams {
  readonly #directory: Directory;
  readonly #limitedLog: LimitedLog;
  readonly #maxWaitingBytes: number;
  readonly #maxStreams: number;
  readonly #open = new Set<ServerResponse>();

  constructor({ directory, log, maxWaitingBytes = 8 * 1024 * 1024, maxStreams = 32 }: EventStreamsOptions) {
    this.#directory = directory;
    this.#limitedLog = limitedLog(log, systemClock);
    this.#maxWaitingBytes = maxWaitingBytes;
    this.#maxStreams = maxStreams;
  }

  /**
   * Answers a request on `response`. Resolves once the headers are sent.
   * @throws RequestFault 429 when too many streams are open; MusterError as the directory does. Nothing was sent then.
   */
  async serve(response: ServerResponse, { node, since, follow }: EventQuery): Promise<void> {
    if (this.#open.size >= this.#maxStreams) {
      throw new RequestFault(429, `${this.#maxStreams} streams of events are open already; close some`);
    }
    this.#open.add(response);
    response.once('close', () => this.#open.delete(response));
    response.setHeader('Content-Type', 'application/x-ndjson');
    response.setHeader('Cache-Control', 'no-store');
    response.setHeader('Connection', 'close');
    const room = roomIn(response, this.#maxWaitingBytes / 8);
    const feed = await this.#directory.follow({ node, since }, event => {
      this.#send(response, event);
      return room();
    });
    if (response.destroyed) return feed.stop();
    response.once('close', () => feed.stop());
    response.flushHeaders();
    if (follow) return;
    feed.ready.then(
      () => response.end(),
      () => response.destroy(),
    );
  }

  /** Ends every stream. */
  close(): void {
    for (const response of this.#open) response.end();
  }

  #send(response: ServerResponse, event: Uint8Array): void {
    if (response.writableEnded || response.destroyed) return;
    const line = this.#line(event);
    if (line) response.write(line);
    if (response.writableLength <= this.#maxWaitingBytes) return;
    this.#limitedLog.warn('slow', {}, 'a client takes its events too slowly and is cut off');
    // The connection is broken off and not ended, so that the client sees that events are missing.
    response.destroy();
  }

  // Anybody who may publish on the broker may have written this event. It must stay one line.
  #line(event: Uint8Array): string | undefined {
    try {
      return `${JSON.stringify(parseJson(event))}\n`;
    } catch (err) {
      this.#limitedLog.warn('unreadable', { err }, 'a stored event cannot be read; it is passed over');
      return undefined;
    }
  }
}

/**
 * Returns a function that says when the client has room for more: at once while fewer than `fullBytes` wait, otherwise when
 * the client has taken all of them. Stored events can be read much faster than a client takes them, so their reader waits.
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
