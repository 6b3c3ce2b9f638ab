// The routes for jobs, of which muster runs none: the list is empty, no job is found, and whatever would run one is refused.
import { Hono } from 'hono';
import { printable } from '../../system/printable.ts';
import { answer } from './answer.ts';
import type { ApiEnvironment } from './authorize.ts';
import { RequestFault } from './problem.ts';

const hint = 'muster keeps the roll of nodes and runs no jobs; send jobs to an orchestrator of Bacalhau';

export function jobRoutes(): Hono<ApiEnvironment> {
  const app = new Hono<ApiEnvironment>();
  app.get('/', call => answer(call, { NextToken: '', Items: [] }));
  app.get('/:job{.+}', call => {
    const [job = ''] = call.req.param('job').split('/');
    throw new RequestFault(404, `job not found: ${printable(job, 128)}`, hint);
  });
  app.all('*', () => {
    throw new RequestFault(501, 'muster runs no jobs', hint);
  });
  return app;
}
