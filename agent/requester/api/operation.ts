// Reads which operation a change belongs to. The answer names it, so that a caller who sent none can ask about it later.
import type { MiddlewareHandler } from 'hono';
import { ProtocolError } from '../../protocol/error.ts';
import { newOperation, operationHeader, readOperation } from '../../protocol/operation.ts';
import { systemClock } from '../../system/clock.ts';
import { systemRandom } from '../../system/random.ts';
import type { ApiEnvironment } from './authorize.ts';
import { RequestFault } from './problem.ts';

/** Returns the handler that finds the operation of each change, or makes one. It throws RequestFault 400. */
export function operations(): MiddlewareHandler<ApiEnvironment> {
  return async (call, next) => {
    const { method } = call.req;
    if (method === 'GET' || method === 'HEAD') return next();
    const given = call.req.header(operationHeader);
    const operation = given ? operationIn(given) : newOperation(systemClock.now(), systemRandom.uuid());
    call.set('operation', operation);
    await next();
    call.res.headers.set(operationHeader, operation);
  };
}

/** Reads the id of an operation that a caller has sent. @throws RequestFault 400 */
export function operationIn(text: string): string {
  try {
    return readOperation(text);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new RequestFault(400, error.message);
  }
}
