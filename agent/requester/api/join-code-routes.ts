// The routes of the HTTP API for join codes: make one, list them, revoke one.
import type { Hono } from 'hono';
import { Refusal } from '../../config/kind.ts';
import { labels } from '../../config/node.ts';
import {
  type JoinCodeOrder,
  joinCodeChangeSchema,
  joinCodeOrderSchema,
} from '../../protocol/http-join-codes.ts';
import { maxMessageBytes } from '../../protocol/json.ts';
import { MusterError } from '../../system/errors.ts';
import { parseIpNetwork } from '../../system/ip-network.ts';
import { printable } from '../../system/printable.ts';
import type { JoinCodeDesk } from '../enrolment/join-code-desk.ts';
import { answer } from './answer.ts';
import { type ApiEnvironment, actOf } from './authorize.ts';
import { RequestFault } from './problem.ts';
import { limitBody, readBody } from './read-body.ts';

const path = '/api/v1/orchestrator/join-codes';

/** Adds the routes to `app`. */
export function addJoinCodeRoutes(app: Hono<ApiEnvironment>, desk: JoinCodeDesk): void {
  const limit = limitBody(maxMessageBytes);
  app.get(path, call => answer(call, { JoinCodes: desk.list() }));
  app.post(path, limit, async call => {
    const { Actor, ...order } = readBody(joinCodeOrderSchema, new Uint8Array(await call.req.arrayBuffer()));
    checkOrder(order);
    return answer(call, await desk.create(order, actOf(call, Actor)));
  });
  app.put(`${path}/:id`, limit, async call => {
    const { Actor } = readBody(joinCodeChangeSchema, new Uint8Array(await call.req.arrayBuffer()));
    return answer(call, {
      JoinCode: await desk.revoke(codeId(call.req.param('id')), actOf(call, Actor)),
    });
  });
}

/** Checks what the schema cannot. @throws RequestFault 400 */
function checkOrder({ Network, Labels }: Pick<JoinCodeOrder, 'Network' | 'Labels'>): void {
  if (Network && !parseIpNetwork(Network))
    throw new RequestFault(400, 'Network is not a network such as 10.0.0.0/8 or fd00::/8');
  try {
    labels.read(new Map(Object.entries(Labels)), { folder: '', home: undefined });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new RequestFault(400, `Labels: ${printable(`${error.shown ?? ''} ${error.message}`.trim(), 300)}`);
  }
}

// A text that cannot be an id belongs to no code, so the desk is not asked.
function codeId(text: string): string {
  if (/^[a-z2-7]{10}$/.test(text)) return text;
  throw new MusterError('not_found', `there is no join code ${printable(text, 64)}`);
}
