// The routes of the HTTP API for listeners: make one, list them, revoke one.
import { Hono } from 'hono';
import { newListenerSchema } from '../../protocol/http-listeners.ts';
import { listenerNamePattern } from '../../protocol/listener.ts';
import { printable } from '../../system/printable.ts';
import type { Directory } from '../directory/directory.ts';
import { notFound } from '../listeners/listener-faults.ts';
import { answer } from './answer.ts';
import { type ApiEnvironment, actOf } from './authorize.ts';
import { claimedActor, limitBody, readBody } from './read-body.ts';

const maxBodyBytes = 4096;

export function listenerRoutes(directory: Directory): Hono<ApiEnvironment> {
  const app = new Hono<ApiEnvironment>();

  app.get('/', async call => answer(call, { Listeners: await directory.listeners.list() }));

  app.post('/', limitBody(maxBodyBytes), async call => {
    const body = new Uint8Array(await call.req.arrayBuffer());
    const { Name, FromOldest, Work, ExpiresInSeconds, Actor } = readBody(newListenerSchema, body);
    const validMs = ExpiresInSeconds === 0 ? undefined : ExpiresInSeconds * 1000;
    const wanted = { name: Name, fromOldest: FromOldest, work: Work, validMs };
    return answer(call, await directory.listeners.create(wanted, actOf(call, Actor)));
  });

  app.delete('/:name', async call => {
    const name = call.req.param('name');
    // A name that cannot be one belongs to no listener, so the directory is not asked.
    if (!listenerNamePattern.test(name)) throw notFound(printable(name, 64));
    await directory.listeners.revoke(name, actOf(call, claimedActor(call)));
    return answer(call, { Success: true });
  });
  return app;
}
