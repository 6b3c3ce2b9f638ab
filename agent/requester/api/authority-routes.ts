// The routes for the CAs of the cluster: list them, make the next one, forget one.
import { type Context, Hono } from 'hono';
import { forgetAuthoritySchema, pinPattern, rotateAuthoritySchema } from '../../protocol/http-authorities.ts';
import { MusterError } from '../../system/errors.ts';
import { printable } from '../../system/printable.ts';
import type { Directory } from '../directory/directory.ts';
import { answer } from './answer.ts';
import { type ApiEnvironment, actOf } from './authorize.ts';
import { limitBody, readBody } from './read-body.ts';

const maxBodyBytes = 4_096;

export function authorityRoutes(directory: Directory): Hono<ApiEnvironment> {
  const app = new Hono<ApiEnvironment>();
  const limit = limitBody(maxBodyBytes);

  const shown = async (call: Context<ApiEnvironment>) => {
    const { authorities } = directory;
    return answer(call, { ...authorities.view(), CA: await authorities.certificates() });
  };

  app.get('/', shown);

  app.post('/', limit, async call => {
    const body = new Uint8Array(await call.req.arrayBuffer());
    const { Force, Actor } = readBody(rotateAuthoritySchema, body);
    await directory.authorities.rotate(Force, actOf(call, Actor));
    return shown(call);
  });

  app.put('/:pin', limit, async call => {
    const pin = call.req.param('pin');
    const { Actor } = readBody(forgetAuthoritySchema, new Uint8Array(await call.req.arrayBuffer()));
    if (!pinPattern.test(pin))
      throw new MusterError('not_found', `there is no CA with the pin ${printable(pin, 64)}`);
    await directory.authorities.forget(pin, actOf(call, Actor));
    return shown(call);
  });
  return app;
}
