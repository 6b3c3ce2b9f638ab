// The route of the live roll, which the page reads.
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { Hono } from 'hono';
import type { RollHead } from '../../protocol/roll-rows.ts';
import { systemClock } from '../../system/clock.ts';
import type { Log } from '../../system/log.ts';
import { version } from '../../system/version.ts';
import type { Directory } from '../directory/directory.ts';
import type { Caller } from '../operators/operator-table.ts';
import { type ApiEnvironment, shownCaller, untilRevoked } from './authorize.ts';
import { type RollStreams, stateOf } from './roll-streams.ts';

export interface RollRoutesOptions {
  directory: Directory;
  rolls: RollStreams;
  log: Log;
}

export function rollRoutes({ directory, rolls, log }: RollRoutesOptions): Hono<ApiEnvironment> {
  const app = new Hono<ApiEnvironment>();
  const callerOf = shownCaller({ directory, log });

  app.get('/', call => {
    const caller = callerOf(call);
    const head = headOf(directory, caller);
    if (call.req.method === 'HEAD') return call.body(null);
    rolls.serve({
      response: call.env.outgoing,
      head,
      isPacked: /\bgzip\b/.test(call.req.header('accept-encoding') ?? ''),
      isAllowed: untilRevoked(directory, call),
    });
    return RESPONSE_ALREADY_SENT;
  });
  return app;
}

/** @throws MusterError `unreachable` while the requester starts */
function headOf(directory: Directory, caller: Caller | undefined): RollHead {
  // It throws when there is no roll, and then the page is told why by an answer and not by a stream that ends.
  directory.seen()[Symbol.iterator]().next();
  const { clusterId = '', nodes } = directory.status();
  return {
    at: systemClock.now().getTime(),
    ...stateOf(directory),
    requester: directory.self.NodeID,
    clusterId,
    version,
    operator: caller?.name ?? null,
    mayDecide: caller !== undefined && !caller.readOnly,
    expiresAt: caller?.expires === undefined ? null : Date.parse(caller.expires),
    nodes: nodes?.total ?? 0,
  };
}
