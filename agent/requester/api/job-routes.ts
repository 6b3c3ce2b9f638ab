// The routes for jobs, of which muster runs none: the list is empty, no job is found, and whatever would run one is refused.
import { Hono } from 'hono';
import { printable } from '../../system/printable.ts';
import { answer } from './answer.ts';
import type { ApiEnvironment } from './authorize.ts';
import { RequestFault } from './problem.ts';
import { refuseByMessage, wantsWebSocket } from './refuse-websocket.ts';

const hint = 'muster keeps the roll of nodes and runs no jobs; send jobs to an orchestrator of Bacalhau';

export function jobRoutes(): Hono<ApiEnvironment> {
  const app = new Hono<ApiEnvironment>();
  app.get('/', call => answer(call, { NextToken: '', Items: [] }));
  app.get('/:job{.+}', call => {
    const [job = ''] = call.req.param('job').split('/');
    const text = `job not found: ${printable(job, 128)}`;
    // The log of a job comes on a WebSocket, and so does the reason why there is none.
    if (wantsWebSocket(call)) return refuseByMessage(call, { error: `${text}; ${hint}` });
    throw new RequestFault(404, text, hint);
  });
  app.all('*', () => {
    throw new RequestFault(501, 'muster runs no jobs', hint);
  });
  return app;
}
