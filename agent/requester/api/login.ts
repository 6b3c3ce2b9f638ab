// The routes by which a client finds out how to log in, and that it talks to the real requester before it shows a token.
import { Hono } from 'hono';
import { ProtocolError } from '../../protocol/error.ts';
import { loginDataSchema, loginMethod, loginSchema } from '../../protocol/http-operators.ts';
import { parseJson } from '../../protocol/json.ts';
import { noncePattern, operatorNamePattern, placeOf } from '../../protocol/operator-token.ts';
import { validate } from '../../protocol/schema.ts';
import type { Log } from '../../system/log.ts';
import type { Directory } from '../directory/directory.ts';
import { answer, parameters } from './answer.ts';
import { type ApiEnvironment, refusedTokenLog } from './authorize.ts';
import { pageSignIn } from './page-sign-in.ts';
import { RequestFault } from './problem.ts';
import { limitBody } from './read-body.ts';

export interface LoginOptions {
  directory: Directory;
  log: Log;
  /** Whether the API listens on the loopback, without TLS. */
  isLocal: boolean;
  /** Whether reads need no token. */
  openReads: boolean;
}

/** How Bacalhau's client asks for a token: it reads this JSON Schema, and asks for each required member. */
const requirement = {
  type: 'ask',
  params: {
    type: 'object',
    properties: { Token: { type: 'string', writeOnly: true } },
    required: ['Token'],
  },
};

const maxBodyBytes = 8192;

export function loginRoutes({ directory, log, isLocal, openReads }: LoginOptions): Hono<ApiEnvironment> {
  const app = new Hono<ApiEnvironment>();
  const refused = refusedTokenLog(log);

  app.get('/', call => answer(call, { NextToken: '', Methods: { [loginMethod]: requirement } }));

  // Only who is on this machine can use the path, so only there it is told.
  app.get('/token-file', call => {
    if (!isLocal || directory.tokenFile === undefined) throw nothing();
    return answer(call, { Path: directory.tokenFile });
  });

  app.get('/proof', call => {
    const operator = parameters(call).get('operator') ?? '';
    const nonce = parameters(call).get('nonce') ?? '';
    if (!operatorNamePattern.test(operator) || !noncePattern.test(nonce))
      throw new RequestFault(400, 'a proof needs the name of an operator and a nonce of 22 to 86 characters');
    const { localAddress, localPort } = call.env.incoming.socket;
    const proof = directory.operators.prove(operator, nonce, placeOf(localAddress, localPort));
    return answer(call, { Proof: proof.toString('base64url') });
  });

  app.get(`/${loginMethod}`, call => answer(call, requirement));

  app.post(`/${loginMethod}`, limitBody(maxBodyBytes), async call => {
    const token = readToken(new Uint8Array(await call.req.arrayBuffer()));
    // Who has no token may go on without one where reads need none. The client of Bacalhau stores no empty token.
    if (token === '' && openReads) return answer(call, { Authentication: { success: true, token } });
    const checked = directory.operators.check(token);
    if (checked.kind === 'valid') return answer(call, { Authentication: { success: true, token } });
    refused(call);
    const reason =
      checked.kind === 'expired' ? `it expired at ${checked.at}` : 'the requester does not know it';
    return answer(call, { Authentication: { success: false, reason } }, 401);
  });
  app.route('/', pageSignIn({ directory, log, openReads }));
  return app;
}

/** Returns the token that the client of Bacalhau asked its user for. @throws RequestFault 400, which quotes nothing. */
function readToken(body: Uint8Array): string {
  try {
    const { MethodData } = validate(loginSchema, parseJson(body));
    return validate(loginDataSchema, parseJson(Buffer.from(MethodData, 'base64'))).Token.trim();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new RequestFault(400, 'the body of a login has MethodData: JSON with the member Token, in base64');
  }
}

const nothing = (): RequestFault =>
  new RequestFault(404, 'the requester tells nobody where its token is kept');
