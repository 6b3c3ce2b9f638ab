// Refuses a change whose caller does not wait for it any more: it may have decided otherwise since, at another requester.
import { setImmediate } from 'node:timers/promises';
import type { MiddlewareHandler } from 'hono';
import {
  callerWaitHeader,
  readCallerWait,
  readRequesterTime,
  requesterTimeHeader,
  writeRequesterTime,
} from '../../protocol/caller-wait.ts';
import { type Clock, systemClock } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import { systemRandom } from '../../system/random.ts';
import type { ApiEnvironment, Call } from './authorize.ts';
import { RequestFault } from './problem.ts';

type Time = Pick<Clock, 'monotonic' | 'now'>;

/** What a caller asks before it sends a change. The answers to it name the time. */
const isAskedFirst = (path: string): boolean => /^\/api\/v1\/auth(\/proof)?$/.test(path);

/**
 * Returns the handler that refuses such changes, and lets the routes ask again by `isGivenUp`. It throws MusterError
 * `unreachable`, and RequestFault 400 for headers that cannot be read.
 */
export function callerWaits(
  clock: Time = systemClock,
  instance: string = systemRandom.uuid(),
): MiddlewareHandler<ApiEnvironment> {
  const now = () => ({ instance, monotonicMs: clock.monotonic(), wallMs: clock.now().getTime() });
  return async (call, next) => {
    const { method, path } = call.req;
    if (method === 'GET' || method === 'HEAD') {
      await next();
      if (isAskedFirst(path)) call.res.headers.set(requesterTimeHeader, writeRequesterTime(now()));
      return;
    }
    const isOver = callersEnd(call, now);
    if (!isOver) await untilClosingIsRead();
    const { outgoing } = call.env;
    const isGivenUp = () => outgoing.destroyed || isOver?.() === true;
    if (isGivenUp()) throw late();
    call.set('isGivenUp', isGivenUp);
    await next();
  };
}

/**
 * Returns what says whether the caller has given up by now; undefined when it did not say how long it waits, or said it by
 * the clock of another process. The longer of both times counts: the machine may have been suspended.
 */
function callersEnd(
  call: Call,
  now: () => { instance: string; monotonicMs: number; wallMs: number },
): (() => boolean) | undefined {
  const [time, wait] = [requesterTimeHeader, callerWaitHeader].map(name => call.req.header(name));
  if (time === undefined && wait === undefined) return undefined;
  const from = readRequesterTime(time ?? '');
  const waitMs = readCallerWait(wait ?? '');
  if (!from || waitMs === undefined)
    throw new RequestFault(
      400,
      `${requesterTimeHeader} and ${callerWaitHeader} are not a time of a requester and milliseconds`,
    );
  if (from.instance !== now().instance) return undefined;
  return () => {
    const { monotonicMs, wallMs } = now();
    return Math.max(monotonicMs - from.monotonicMs, wallMs - from.wallMs) > waitMs;
  };
}

/**
 * Lets what came on the connection be read. It is all that is known of a caller that does not say how long it waits, such as
 * Bacalhau's client: a process that slept reads its request before it reads that the connection was closed since.
 */
async function untilClosingIsRead(): Promise<void> {
  for (let polls = 0; polls < 3; polls++) await setImmediate();
}

const late = (): MusterError =>
  new MusterError('unreachable', 'nothing was done: the request came after its caller had given up', {
    hint: 'this requester was suspended, or its machine has too much to do; ask again',
    nothingDone: true,
  });
