// The routes by which a person signs in to the page, and by which the page learns who it is.
import { Hono } from 'hono';
import { type PageCaller, type PageCode, type PageSignIn, signInSchema } from '../../protocol/http-page.ts';
import { systemClock } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import type { Directory } from '../directory/directory.ts';
import type { Caller } from '../operators/operator-table.ts';
import { PageCodes, pageCodeSeconds } from '../operators/page-codes.ts';
import { answer } from './answer.ts';
import { type ApiEnvironment, bearerOf, shownCaller } from './authorize.ts';
import { RequestFault } from './problem.ts';
import { limitBody, readBody } from './read-body.ts';

export interface PageSignInOptions {
  directory: Directory;
  log: Log;
  /** Whether reads need no token. */
  openReads: boolean;
}

const maxBodyBytes = 1024;

export function pageSignIn({ directory, log, openReads }: PageSignInOptions): Hono<ApiEnvironment> {
  const app = new Hono<ApiEnvironment>();
  const codes = new PageCodes(systemClock);
  const callerOf = shownCaller({ directory, log });

  app.get('/caller', call => answer(call, shownTo(callerOf(call), openReads)));

  app.post('/page-codes', limitBody(maxBodyBytes), call => {
    const token = bearerOf(call.req.header('authorization'));
    const caller = callerOf(call);
    if (!caller || token === undefined)
      throw new RequestFault(401, "a code for the page needs an operator's token", 'muster ui shows one');
    log.info({ operator: caller.name }, 'an operator made a code that signs a browser in');
    const made: PageCode = { Code: codes.make(token), ValidSeconds: pageCodeSeconds };
    return answer(call, made);
  });

  app.post('/page', limitBody(maxBodyBytes), async call => {
    const { Code } = readBody(signInSchema, new Uint8Array(await call.req.arrayBuffer()));
    const token = codes.take(Code);
    const checked = token === undefined ? undefined : directory.operators.check(token);
    if (token === undefined || checked?.kind !== 'valid') throw voidCode();
    log.info({ operator: checked.caller.name }, 'a browser was signed in by a code');
    const signIn: PageSignIn = { Token: token, ...shownTo(checked.caller, openReads) };
    return answer(call, signIn);
  });
  return app;
}

function shownTo(caller: Caller | undefined, openReads: boolean): PageCaller {
  return {
    Operator: caller?.name ?? '',
    MayDecide: caller !== undefined && !caller.readOnly,
    MayRead: caller !== undefined || openReads,
    ...(caller?.expires === undefined ? {} : { Expires: caller.expires }),
  };
}

// It may have been used by somebody else, and then the operator should know.
const voidCode = (): RequestFault =>
  new RequestFault(
    401,
    `this address signs nobody in: it was used already, or is older than ${pageCodeSeconds} s`,
    'run muster ui again. If you did not use it, somebody else did, so revoke the token: muster operator revoke NAME',
  );
