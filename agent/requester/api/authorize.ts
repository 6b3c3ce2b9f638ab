// Says who calls the API, and lets through only what the caller's token allows. It runs before a body is read.
import type { HttpBindings } from '@hono/node-server';
import type { Context, MiddlewareHandler } from 'hono';
import { systemClock } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import { limitedLog } from '../../system/limited-log.ts';
import type { Log } from '../../system/log.ts';
import type { Directory } from '../directory/directory.ts';
import type { Act } from '../events/requester-events.ts';
import type { Caller } from '../operators/operator-table.ts';
import { RequestFault } from './problem.ts';

/**
 * What the routes find in a call. `caller` is absent when the call needed no token, `operation` when it changes nothing.
 * `isGivenUp` says of a change whether nobody waits for its answer any more.
 */
export interface ApiEnvironment {
  Bindings: HttpBindings;
  Variables: { caller: Caller | undefined; operation: string | undefined; isGivenUp: () => boolean };
}
export type Call = Context<ApiEnvironment>;

export interface AuthorizationOptions {
  directory: Directory;
  log: Log;
  /** Whether a read needs no token. Only for an API that listens on the loopback. */
  openReads: boolean;
  /** Whether the API listens on the loopback, so that only this machine hears where the first token is kept. */
  isLocal: boolean;
}

/** The paths that never need a token: they say how to get one. */
const isLogin = (path: string): boolean =>
  path === '/api/v1/auth' || path.startsWith('/api/v1/auth/') || path === '/api/v1/agent/authconfig';
/** A POST that changes nothing: Bacalhau's command line up to 1.4 asks so for the version of the server. */
export const isRead = (method: string, path: string): boolean =>
  method === 'GET' || method === 'HEAD' || (method === 'POST' && path === '/api/v1/version');
/** The paths whose reads always need a token: they name the operators, and the durables of listeners. */
const isPrivate = (path: string): boolean =>
  /^\/api\/v1\/orchestrator\/(operators|listeners)(\/|$)/.test(path);

/** Returns what a call needs. Everything but a read is a change, so that a new route is never open by mistake. */
function needOf(method: string, path: string, openReads: boolean): 'nothing' | 'read' | 'change' {
  if (isLogin(path)) return 'nothing';
  if (!isRead(method, path)) return 'change';
  return openReads && !isPrivate(path) ? 'nothing' : 'read';
}

/**
 * Returns the handler that runs before all routes. It throws RequestFault 401 or 403, and 503 while the requester starts.
 */
export function authorization(options: AuthorizationOptions): MiddlewareHandler<ApiEnvironment> {
  const authorize = authorizer(options);
  return async (call, next) => {
    const need = needOf(call.req.method, call.req.path, options.openReads);
    call.set('caller', need === 'nothing' ? undefined : authorize(call, need));
    await next();
  };
}

/** Returns the function that reads the token of a call. */
function authorizer({ directory, log, isLocal }: AuthorizationOptions) {
  const callerOf = shownCaller({ directory, log });
  return (call: Call, need: 'read' | 'change'): Caller => {
    const header = call.req.header('authorization');
    if (header !== undefined && /^basic /i.test(header)) throw noPasswords();
    const caller = callerOf(call);
    if (caller === undefined)
      throw noToken(need, isLocal ? directory.tokenFile : undefined, isEmptyBearer(header) ? 403 : 401);
    if (need === 'change' && caller.readOnly) throw readOnly(caller.name);
    return caller;
  };
}

/**
 * Returns a function that says whose token a call shows, also where it needs none; undefined when it shows none. The function
 * throws RequestFault 401 for a token that is not valid.
 */
export function shownCaller({ directory, log }: Pick<AuthorizationOptions, 'directory' | 'log'>) {
  const refused = refusedTokenLog(log);
  return (call: Call): Caller | undefined => {
    const token = bearerOf(call.req.header('authorization'));
    if (token === undefined) return undefined;
    const checked = directory.operators.check(token);
    if (checked.kind === 'valid') return checked.caller;
    refused(call);
    throw checked.kind === 'expired' ? expired(checked) : unknownToken();
  };
}

/**
 * Returns a function that says whether the token that a call shows is as good as it was: false once it was revoked or has ended.
 * Streams ask it for as long as they go on.
 */
export function untilRevoked(directory: Directory, call: Call): () => boolean {
  const token = bearerOf(call.req.header('authorization'));
  const isValid = () => token !== undefined && isGood(directory, token);
  const wasValid = isValid();
  return () => !wasValid || isValid();
}

// While the operators cannot be read, the requester stops, and then all streams end.
function isGood(directory: Directory, token: string): boolean {
  try {
    return directory.operators.check(token).kind === 'valid';
  } catch (error) {
    if (error instanceof MusterError) return true;
    throw error;
  }
}

/** Returns the operator who makes a change, and its operation, for the routes. `claimed` is what the caller says of itself. */
export function actOf(call: Call, claimed: string): Act {
  const caller = call.get('caller');
  if (!caller) throw new Error('a change came past the authorization');
  const operation = call.get('operation');
  return {
    actor: caller.name,
    ...(claimed ? { claimedActor: claimed } : {}),
    ...(operation ? { operation } : {}),
  };
}

/** Returns a function that logs a token that is not valid, at most once a minute, without any text of the caller. */
export function refusedTokenLog(log: Log): (call: Call) => void {
  const limited = limitedLog(log, systemClock);
  const text = 'a caller of the API showed a token that is not valid';
  return call => limited.warn('token', { address: call.env.incoming.socket.remoteAddress }, text);
}

/** Returns the token in the header Authorization; undefined when there is none. */
export function bearerOf(header: string | undefined): string | undefined {
  return /^bearer +(\S{1,512})$/i.exec(header ?? '')?.[1];
}

/** Whether a client of Bacalhau shows that it logged in without a token. It tells its user nothing of an answer with status 401. */
const isEmptyBearer = (header: string | undefined): boolean => /^bearer *$/i.test(header ?? '');

function noToken(need: 'read' | 'change', file: string | undefined, status: 401 | 403): RequestFault {
  const where = file
    ? `the one of this machine is in ${file}, for its user and root`
    : 'muster operator create NAME makes one';
  return new RequestFault(status, `this ${need} needs an operator's token`, where);
}

// Bacalhau's command line shows nothing of an answer with status 401, so this one has another.
const noPasswords = (): RequestFault =>
  new RequestFault(
    403,
    'muster knows no user names and passwords',
    "show an operator's token as a bearer token; Bacalhau from 1.7 on takes it from BACALHAU_API_KEY",
  );
const unknownToken = (): RequestFault =>
  new RequestFault(401, "this is no operator's token that the requester knows", newTokenHint);
const expired = ({ name, at }: { name: string; at: string }): RequestFault =>
  new RequestFault(401, `the token of operator ${name} expired at ${at}`, newTokenHint);
const readOnly = (name: string): RequestFault =>
  new RequestFault(403, `operator ${name} may only read`, newTokenHint);

const newTokenHint = 'somebody who may change something makes a new one: muster operator create NAME';
