// Bounds how many requests of one connection wait for their answers: HTTP lets a caller send the next before the answer.
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { systemClock } from '../../system/clock.ts';
import { limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';

/** Requests that one connection may have without an answer. muster and Bacalhau send one after the other. */
export const maxUnanswered = 32;

/**
 * Returns `listener` behind the bound. A connection with more requests is closed: what comes in one piece is carried out
 * in one piece, so whoever sent thousands of requests at once would hold up everybody else, and the memory they need.
 */
export function boundUnanswered(listener: RequestListener, log: Log): RequestListener {
  const limited = limitedLog(log, systemClock);
  const unanswered = new WeakMap<Socket, number>();
  const add = (socket: Socket, more: 1 | -1) => {
    const now = (unanswered.get(socket) ?? 0) + more;
    unanswered.set(socket, now);
    return now;
  };
  return (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    if (socket.destroyed) return;
    if (add(socket, 1) > maxUnanswered) {
      limited.warn('unanswered', { address: socket.remoteAddress }, tooMany);
      socket.destroy();
      return;
    }
    response.once('close', () => void add(socket, -1));
    listener(request, response);
  };
}

const tooMany = `a caller of the API sent more than ${maxUnanswered} requests without waiting for an answer; its connection is closed`;
