// Membership events over HTTP: one JSON document a line, from the stored past and, if asked, on into the future.
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
  /** Bytes that may wait for one client; one that takes its events slower than they come is cut off. */
  maxWaiting?: number;
  /** Streams that may be open at once. */
  maxStreams?: number;
}

export interface EventQuery {
  node?: string | undefined;
  since?: Date | undefined;
  /** Go on with new events; otherwise the stream ends with what is stored now. */
  follow: boolean;
}

export class EventStreams {
  readonly #directory: Directory;
  readonly #limitedLog: LimitedLog;
  readonly #maxWaiting: number;
  readonly #maxStreams: number;
  readonly #open = new Set<ServerResponse>();

  constructor({ directory, log, maxWaiting = 8 * 1024 * 1024, maxStreams = 32 }: EventStreamsOptions) {
    this.#directory = directory;
    this.#limitedLog = limitedLog(log, systemClock);
    this.#maxWaiting = maxWaiting;
    this.#maxStreams = maxStreams;
  }

  /**
   * Answers a request on `response`. Resolves once the head of the answer is sent.
   * @throws RequestFault 429 when too many are open; MusterError as the directory does. Then nothing is sent yet.
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
    const room = roomIn(response, this.#maxWaiting / 8);
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
    if (response.writableLength <= this.#maxWaiting) return;
    this.#limitedLog.warn('slow', {}, 'a client takes its events too slowly and is cut off');
    // Not ended: the client must see that this is not the end of the events.
    response.destroy();
  }

  // Whoever may publish on the broker may have written this: one event must stay one line.
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
 * Makes a function that says when there is room for more: at once while fewer than `full` bytes wait, else when the
 * client has taken them all. The past can be read far faster than any client takes it: its reader should wait for that.
 */
function roomIn(response: ServerResponse, full: number): () => void | Promise<void> {
  let waiting: Promise<void> | undefined;
  return () => {
    if (!response.writableNeedDrain || response.writableLength < full || response.destroyed) return;
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
