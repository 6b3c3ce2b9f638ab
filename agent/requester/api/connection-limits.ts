// Keeps room in the API for callers: connections that wait for a request give way to new ones when there are too many.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { systemClock } from '../../system/clock.ts';
import { limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';

/**
 * How many connections may wait at a time: new ones, which have sent no complete request yet, and idle ones, which have
 * had an answer. Both together are fewer than the server takes, so connections that wait never use up all of them.
 */
const maxWaiting = { new: 256, idle: 256 };

/** Time that a caller has to read an answer, in milliseconds. A stream of events is an answer only when it ends. */
export const readTimeoutMs = 30_000;

/**
 * Closes the connection that waits longest when one more than allowed waits. So whoever opens many connections and sends
 * nothing, or half a request, cannot lock the others out. Requests that are being answered, streams of events among them,
 * are never cut off by this. A caller that does not read its answer within `timeoutMs` is cut off.
 */
export function limitConnections(server: Server | TlsServer, log: Log, timeoutMs = readTimeoutMs): void {
  const limited = limitedLog(log, systemClock);
  const waiting = { new: new Set<Socket>(), idle: new Set<Socket>() };
  const wait = (socket: Socket, kind: 'new' | 'idle') => {
    waiting[kind].add(socket);
    if (waiting[kind].size <= maxWaiting[kind]) return;
    // A set keeps the order in which its members came.
    const [oldest] = waiting[kind];
    if (!oldest) return;
    waiting[kind].delete(oldest);
    oldest.destroy();
    const text = `more than ${maxWaiting[kind]} ${kind} connections to the API wait; those that wait longest are closed`;
    limited.warn(kind, {}, text);
  };
  const stopWaiting = (socket: Socket) => {
    waiting.new.delete(socket);
    waiting.idle.delete(socket);
  };
  /** The connections in a TLS handshake, by the address and port of the client. */
  const shaking = new Map<string, Socket>();
  server.on('connection', (socket: Socket) => {
    const peer = peerOf(socket);
    wait(socket, 'new');
    shaking.set(peer, socket);
    socket.once('close', () => {
      stopWaiting(socket);
      shaking.delete(peer);
    });
  });
  // After the handshake, another object stands for the connection.
  server.on('secureConnection', (socket: Socket) => {
    const before = shaking.get(peerOf(socket));
    if (before) stopWaiting(before);
    wait(socket, 'new');
    socket.once('close', () => stopWaiting(socket));
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    // A request whose body does not come waits as one whose head does not come.
    if (hasBody(request)) request.once('end', () => stopWaiting(socket));
    else stopWaiting(socket);
    let unread: NodeJS.Timeout | undefined;
    const cutOff = () => {
      limited.warn('unread', {}, 'a caller of the API does not read its answer and is cut off');
      socket.destroy();
    };
    // This event says that the whole answer was handed to the socket, and `close` that the caller's system took it.
    response.once('prefinish', () => {
      unread = setTimeout(cutOff, timeoutMs);
    });
    // Answers in pieces ask to be told when their caller has taken nothing for so long.
    response.once('timeout', cutOff);
    response.once('close', () => {
      clearTimeout(unread);
      stopWaiting(socket);
      if (!socket.destroyed) wait(socket, 'idle');
    });
  });
}

const peerOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
