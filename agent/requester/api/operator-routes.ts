// The routes for operators' tokens: list, make, revoke.
import { Hono } from 'hono';
import { newOperatorSchema } from '../../protocol/http-operators.ts';
import { operatorNamePattern } from '../../protocol/operator-token.ts';
import { MusterError } from '../../system/errors.ts';
import { printable } from '../../system/printable.ts';
import type { Directory } from '../directory/directory.ts';
import { answer } from './answer.ts';
import { type ApiEnvironment, actOf } from './authorize.ts';
import { claimedActor, limitBody, readBody } from './read-body.ts';

const maxBodyBytes = 4096;

export function operatorRoutes(directory: Directory): Hono<ApiEnvironment> {
  const app = new Hono<ApiEnvironment>();
  const limit = limitBody(maxBodyBytes);

  app.get('/', call => answer(call, { Operators: directory.operators.list() }));

  app.post('/', limit, async call => {
    const body = new Uint8Array(await call.req.arrayBuffer());
    const { Name, ReadOnly, ExpiresInSeconds, Actor } = readBody(newOperatorSchema, body);
    const validMs = ExpiresInSeconds === 0 ? undefined : ExpiresInSeconds * 1000;
    const wanted = { name: Name, readOnly: ReadOnly, validMs };
    const token = await directory.operators.create(wanted, actOf(call, Actor));
    return answer(call, { Token: token });
  });

  app.delete('/:name', async call => {
    const name = call.req.param('name');
    if (!operatorNamePattern.test(name))
      throw new MusterError('not_found', `there is no operator ${printable(name, 64)}`);
    await directory.operators.revoke(name, actOf(call, claimedActor(call)));
    return answer(call, { Success: true });
  });
  return app;
}
