// The route of the HTTP API that tells an operator what a node of Bacalhau needs. It is a POST, because it shows a token.
import type { Hono } from 'hono';
import { bacalhauOrderSchema } from '../../protocol/http-bacalhau.ts';
import type { BacalhauDesk } from '../enrolment/bacalhau-desk.ts';
import { answer } from './answer.ts';
import { type ApiEnvironment, actOf } from './authorize.ts';
import { limitBody, readBody } from './read-body.ts';

const maxBodyBytes = 4096;

/** Adds the route to `app`. */
export function addBacalhauRoutes(app: Hono<ApiEnvironment>, desk: BacalhauDesk): void {
  app.post('/api/v1/orchestrator/bacalhau', limitBody(maxBodyBytes), async call => {
    const { Actor } = readBody(bacalhauOrderSchema, new Uint8Array(await call.req.arrayBuffer()));
    return answer(call, await desk.access(actOf(call, Actor)));
  });
}
