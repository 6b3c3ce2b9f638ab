// Tells Bacalhau's clients who answers, by the headers that its servers send, and refuses the clients that are too old.
import type { MiddlewareHandler } from 'hono';
import { clientAge, oldestClient } from '../../protocol/bacalhau-releases.ts';
import { serverHeader } from '../../protocol/http.ts';
import type { BuildVersion } from '../../protocol/node-info.ts';
import { printable } from '../../system/printable.ts';
import { systemRandom } from '../../system/random.ts';
import { answer } from './answer.ts';
import type { ApiEnvironment, Call } from './authorize.ts';
import { problemOf, RequestFault } from './problem.ts';

/** Returns the version that a client of Bacalhau says it has; empty for any other client. */
export const clientVersion = (call: Call): string => call.req.header('x-bacalhau-git-version') ?? '';

/** Returns the id that the caller gave its request; empty when it gave none, or one that is not printable. */
export function requestIdOf(call: Call): string {
  const id = call.req.header('x-request-id') ?? '';
  return /^[\x21-\x7e]{1,128}$/.test(id) ? id : '';
}

/** Returns the handler that gives every answer the id of its request, or a new one. It runs before all others. */
export function requestIds(): MiddlewareHandler<ApiEnvironment> {
  return async (call, next) => {
    await next();
    call.res.headers.set('X-Request-Id', requestIdOf(call) || systemRandom.uuid());
  };
}

/** Returns the handler that runs once the caller is known: who may ask is settled first, as in Bacalhau. */
export function bacalhauClients(build: () => BuildVersion): MiddlewareHandler<ApiEnvironment> {
  return async (call, next) => {
    const { GitVersion, GitCommit, BuildDate, GOOS, GOARCH } = build();
    const refusal = refuseClient(call, GitVersion);
    if (refusal) call.res = refusal;
    else await next();
    call.res.headers.set(serverHeader.name, serverHeader.value);
    const { headers } = call.res;
    headers.set('X-Bacalhau-Git-Version', GitVersion);
    headers.set('X-Bacalhau-Git-Commit', GitCommit);
    headers.set('X-Bacalhau-Build-Date', BuildDate);
    headers.set('X-Bacalhau-Build-OS', GOOS);
    headers.set('X-Bacalhau-Arch', GOARCH);
  };
}

/** Returns the refusal of a client, with the members that its own servers send too. */
function refuseClient(call: Call, ServerVersion: string): Response | undefined {
  const ClientVersion = printable(clientVersion(call), 64);
  const age = clientAge(ClientVersion);
  if (age === 'served') return undefined;
  const fault =
    age === 'unreadable'
      ? new RequestFault(400, `Invalid client version ${ClientVersion}`)
      : new RequestFault(403, 'Client version is outdated. Update your client', updateHint);
  const versions = age === 'too_old' ? { MinVersion: oldestClient, ClientVersion, ServerVersion } : {};
  const problem = problemOf(fault, requestIdOf(call));
  return answer(call, { ...problem, Error: fault.message, ...versions }, fault.status);
}

const updateHint = `update Bacalhau to ${oldestClient} or a later version`;
