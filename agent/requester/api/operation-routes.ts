// The routes of the API about operations: what became of one.
import { Hono } from 'hono';
import { systemClock } from '../../system/clock.ts';
import { TokenBuckets } from '../../system/token-buckets.ts';
import type { Directory } from '../directory/directory.ts';
import { answer } from './answer.ts';
import type { ApiEnvironment } from './authorize.ts';
import { operationIn } from './operation.ts';
import { RequestFault } from './problem.ts';

/** Each answer costs a write and a read of the event stream, so there are few at once, and four a second. */
const limits = { burst: 20, refillMs: 250 };
const maxAtOnce = 4;

export function operationRoutes(directory: Pick<Directory, 'explain'>): Hono<ApiEnvironment> {
  const app = new Hono<ApiEnvironment>();
  const turns = new TokenBuckets(limits, () => systemClock.monotonic());
  let running = 0;

  app.get('/:operation', async call => {
    const operation = operationIn(call.req.param('operation'));
    if (running >= maxAtOnce || !turns.take(''))
      throw new RequestFault(429, 'too many operations are asked after at once; ask again in a moment');
    running++;
    try {
      return answer(call, { Operation: await directory.explain(operation) });
    } finally {
      running--;
    }
  });
  return app;
}
