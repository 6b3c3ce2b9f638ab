// The routes of the HTTP API for join codes: make one, list them, revoke one.
import type { HttpBindings } from '@hono/node-server';
import type { Context, Hono, MiddlewareHandler } from 'hono';
import type * as v from 'valibot';
import { Refusal } from '../../config/kind.ts';
import { labels } from '../../config/node.ts';
import { ProtocolError } from '../../protocol/error.ts';
import {
  type JoinCodeOrder,
  joinCodeChangeSchema,
  joinCodeOrderSchema,
} from '../../protocol/http-join-codes.ts';
import { parseJson } from '../../protocol/json.ts';
import { validate } from '../../protocol/schema.ts';
import { MusterError } from '../../system/errors.ts';
import { parseIpNetwork } from '../../system/ip-network.ts';
import { printable } from '../../system/printable.ts';
import type { JoinCodeDesk } from '../enrolment/join-code-desk.ts';
import { RequestFault } from './problem.ts';

type Call = Context<{ Bindings: HttpBindings }>;

export interface JoinCodeRoutesOptions {
  desk: JoinCodeDesk;
  /** Returns the answer with this body. */
  answer(call: Call, body: unknown): Response;
  limitBody: MiddlewareHandler;
}

const path = '/api/v1/orchestrator/join-codes';

/** Adds the routes to `app`. */
export function addJoinCodeRoutes(
  app: Hono<{ Bindings: HttpBindings }>,
  { desk, answer, limitBody }: JoinCodeRoutesOptions,
): void {
  app.get(path, call => answer(call, { JoinCodes: desk.list() }));
  app.post(path, limitBody, async call => {
    const { Actor, ...order } = await readBody(call, joinCodeOrderSchema);
    checkOrder(order);
    return answer(call, await desk.create(order, { actor: Actor || 'api' }));
  });
  app.put(`${path}/:id`, limitBody, async call => {
    const { Actor } = await readBody(call, joinCodeChangeSchema);
    return answer(call, {
      JoinCode: await desk.revoke(codeId(call.req.param('id')), { actor: Actor || 'api' }),
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

async function readBody<T extends v.GenericSchema<unknown, { Actor: string }>>(
  call: Call,
  schema: T,
): Promise<v.InferOutput<T>> {
  try {
    const body = validate(schema, parseJson(new Uint8Array(await call.req.arrayBuffer())));
    if (printable(body.Actor) !== body.Actor)
      throw new ProtocolError('invalid_field', 'holds characters that cannot be printed', 'Actor');
    return body;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new RequestFault(400, `cannot read the request: ${error.message}`);
  }
}

// A text that cannot be an id belongs to no code, so the desk is not asked.
function codeId(text: string): string {
  if (/^[a-z2-7]{10}$/.test(text)) return text;
  throw new MusterError('not_found', `there is no join code ${printable(text, 64)}`);
}
