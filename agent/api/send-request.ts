// Sends one request over HTTP or HTTPS and returns its response. It uses node:http, because fetch refuses some ports, and
// ends a stream that is silent for five minutes.
import { Agent, type IncomingMessage, request } from 'node:http';
import { request as requestTls, Agent as TlsAgent } from 'node:https';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { formatDuration } from '../config/units.ts';
import { callerWaitHeader, requesterTimeHeader } from '../protocol/caller-wait.ts';
import { operationHeader } from '../protocol/operation.ts';
import { systemClock } from '../system/clock.ts';
import type { ApiAddress } from './address.ts';
import { timeoutError } from './explain.ts';

/** Where requests go. `ca` has the certificates that are trusted, in PEM. */
export interface Target extends ApiAddress {
  ca?: readonly string[] | undefined;
  /** Time for the head of an answer, in milliseconds. */
  deadlineMs: number;
  /** Time for the connection, in milliseconds; `deadlineMs` when absent. */
  connectMs?: number | undefined;
}

/** A time of the requester, as it named it, and the monotonic time in milliseconds at which that came. */
export interface NamedTime {
  text: string;
  receivedAtMs: number;
}

export interface OutgoingRequest {
  method: string;
  /** The path below `/api/v1`. */
  path: string;
  body?: string | undefined;
  /** The media types that the answer may have, as the header `Accept` names them; any when absent. */
  accept?: string | undefined;
  signal?: AbortSignal | undefined;
  /** The id of the operation that the request belongs to; absent for a read. */
  operation?: string | undefined;
  /** The monotonic time in milliseconds at which the caller gives up. */
  endsAtMs?: number | undefined;
  /** A time that the requester has named, by which it judges whether the caller still waits. */
  requesterTime?: NamedTime | undefined;
  /** Shown as the caller's token. */
  token?: string | undefined;
  /** The only connection on which the request may be sent. */
  onlyOn?: Socket | undefined;
  /** Called before the request is written. Until then the requester cannot have carried it out. */
  onWrite?: (() => void) | undefined;
}

export interface Received {
  response: IncomingMessage;
  /** The connection on which the response came. */
  socket: Socket;
}

/** One connection to the API, on which several requests are sent one after the other. */
export class ApiConnection {
  readonly #target: Target;
  readonly #agent: Agent;

  constructor(target: Target) {
    this.#target = target;
    const options = { keepAlive: true, maxSockets: 1 };
    this.#agent = target.isTls ? new TlsAgent(options) : new Agent(options);
  }

  /** Sends a request. Throws the error of the connection, or `timeoutError()`. */
  async send(outgoing: OutgoingRequest): Promise<Received> {
    const { host, port, isTls, ca, deadlineMs, connectMs } = this.#target;
    const { method, path, body, accept, signal, operation, token, onlyOn, onWrite } = outgoing;
    const { endsAtMs, requesterTime } = outgoing;
    const { promise, resolve, reject } = Promise.withResolvers<Received>();
    const json = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body ?? '') };
    const sent = (isTls ? requestTls : request)({
      host,
      port,
      method,
      path: `/api/v1${path}`,
      headers: {
        ...(body === undefined ? {} : json),
        ...(accept === undefined ? {} : { Accept: accept }),
        ...(operation === undefined ? {} : { [operationHeader]: operation }),
      },
      agent: this.#agent,
      signal,
      // What is trusted may be a CA that another one signed.
      ...(ca ? { ca: [...ca], allowPartialTrustChain: true } : {}),
    });
    let socket: Socket | undefined;
    const connecting = setTimeout(
      () => sent.destroy(connectMs === undefined ? timeoutError() : noConnectionError(connectMs)),
      connectMs ?? deadlineMs,
    );
    // Nothing is written before the connection is there and its certificate is checked. So a token goes to no other one,
    // and a request that was not written was not carried out.
    sent.on('socket', given => {
      socket = given;
      if (onlyOn && given !== onlyOn) return void sent.destroy(lostError());
      const write = () => {
        clearTimeout(connecting);
        onWrite?.();
        if (requesterTime !== undefined) {
          // The requester counts from the time that it named.
          const now = systemClock.monotonic();
          const endMs = Math.min(now + deadlineMs, endsAtMs ?? Infinity);
          const waitMs = Math.max(0, Math.floor(endMs - requesterTime.receivedAtMs));
          sent.setHeader(requesterTimeHeader, requesterTime.text);
          sent.setHeader(callerWaitHeader, String(waitMs));
        }
        if (token !== undefined) sent.setHeader('Authorization', `Bearer ${token}`);
        sent.end(body);
      };
      if (given instanceof TLSSocket && !given.authorized) given.once('secureConnect', write);
      else if (given.connecting) given.once('connect', write);
      else write();
    });
    sent.on('response', response => {
      sent.setTimeout(0);
      if (socket) resolve({ response, socket });
    });
    sent.on('error', error => {
      clearTimeout(connecting);
      reject(error);
    });
    sent.setTimeout(deadlineMs, () => sent.destroy(timeoutError()));
    return promise;
  }

  /** Closes the connection. */
  close(): void {
    this.#agent.destroy();
  }
}

/** The error of a connection that ended between two requests, in the form of Node's own errors. */
const lostError = (): Error => Object.assign(new Error('the connection was lost'), { code: 'ECONNRESET' });

const noConnectionError = (connectMs: number): Error =>
  new Error(`there was no connection within ${formatDuration(connectMs)}`);
