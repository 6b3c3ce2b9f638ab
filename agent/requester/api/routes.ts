// The API answers these routes: Bacalhau's for nodes and for the requester itself, and muster's own for status and events.
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { Hono } from 'hono';
import { parseDuration } from '../../config/units.ts';
import { withShownNames } from '../../output/member-names.ts';
import { explainNode } from '../../output/node-text/explain-node.ts';
import { ProtocolError } from '../../protocol/error.ts';
import { type EventCursor, readEventCursor } from '../../protocol/event-cursor.ts';
import { confirmStoreSchema, rebuildSchema } from '../../protocol/http.ts';
import { unbanSchema } from '../../protocol/http-operators.ts';
import { maxMessageBytes } from '../../protocol/json.ts';
import { goTime } from '../../protocol/node-info.ts';
import { nodeIdPattern, validate } from '../../protocol/schema.ts';
import { type Clock, systemClock } from '../../system/clock.ts';
import { hostOf } from '../../system/host-header.ts';
import type { Log } from '../../system/log.ts';
import { printable } from '../../system/printable.ts';
import type { Directory } from '../directory/directory.ts';
import { type ReadPageFile, readPageFile } from '../page/page-files.ts';
import { notFound } from '../roll/decisions.ts';
import { type AgentRoutesOptions, agentRoutes, shownBuild } from './agent-routes.ts';
import { answer, parameters } from './answer.ts';
import { authorityRoutes } from './authority-routes.ts';
import { type ApiEnvironment, actOf, authorization, type Call, untilRevoked } from './authorize.ts';
import { bacalhauClients, clientVersion, requestIdOf, requestIds } from './bacalhau-clients.ts';
import { addBacalhauRoutes } from './bacalhau-routes.ts';
import { callerWaits } from './caller-wait.ts';
import type { EventQuery, EventStreams } from './event-streams.ts';
import { refuseForeignPages } from './foreign-pages.ts';
import { jobRoutes } from './job-routes.ts';
import { addJoinCodeRoutes } from './join-code-routes.ts';
import { listenerRoutes } from './listener-routes.ts';
import { loginRoutes } from './login.ts';
import { monitoringRoutes } from './monitoring-routes.ts';
import { readNodeChange } from './node-change.ts';
import { NodeLists } from './node-lists.ts';
import { flagOf, queryNodes } from './node-query.ts';
import { operations } from './operation.ts';
import { operationRoutes } from './operation-routes.ts';
import { operatorRoutes } from './operator-routes.ts';
import { page } from './page-routes.ts';
import { problemOf, RequestFault, unexpectedProblem } from './problem.ts';
import { limitBody, readBody } from './read-body.ts';
import { rollRoutes } from './roll-routes.ts';
import type { RollStreams } from './roll-streams.ts';

export interface RoutesOptions {
  directory: Directory;
  events: EventStreams;
  rolls: RollStreams;
  log: Log;
  readTimeoutMs?: number | undefined;
  /** Whether the API listens on the loopback. */
  isLocal: boolean;
  /** Returns whether a host name or address in a Host header is the requester's own. */
  isOwnHost(name: string): boolean;
  /** Whether reads need no token. */
  openReads: boolean;
  /** The clock by which the waiting of callers is judged; that of the system by default. */
  clock?: Pick<Clock, 'monotonic' | 'now'> | undefined;
  /** See AgentRoutesOptions; nothing by default. */
  config?: AgentRoutesOptions['config'] | undefined;
  /** Reads the files of the page; those of this program by default. */
  readPage?: ReadPageFile | undefined;
}

export function apiRoutes({
  directory,
  events,
  rolls,
  log,
  readTimeoutMs,
  isLocal,
  isOwnHost,
  openReads,
  clock,
  config = () => ({}),
  readPage = readPageFile,
}: RoutesOptions): Hono<ApiEnvironment> {
  const app = new Hono<ApiEnvironment>();
  const nodeLists = new NodeLists({ readTimeoutMs });

  app.use(requestIds());
  app.use(async (call, next) => {
    if (isOwnHost(hostOf(call.req.header('host')))) return next();
    const others = isLocal ? 'localhost, 127.0.0.1 or [::1]' : 'a name of its certificate';
    throw new RequestFault(403, `the Host header must name this machine: ${others}`);
  });
  app.use(page(readPage));
  app.use(refuseForeignPages());
  app.use(authorization({ directory, log, isLocal, openReads }));
  app.use(bacalhauClients(() => shownBuild(directory)));
  app.use(operations());
  app.use(callerWaits(clock));
  app.route('/api/v1/auth', loginRoutes({ directory, log, isLocal, openReads }));
  app.route('/api/v1/orchestrator/operators', operatorRoutes(directory));
  app.route('/api/v1/orchestrator/listeners', listenerRoutes(directory));
  app.route('/api/v1/orchestrator/authorities', authorityRoutes(directory));
  app.route('/api/v1/orchestrator/operations', operationRoutes(directory));
  app.route('/api/v1/orchestrator/jobs', jobRoutes());
  app.route('/api/v1/orchestrator/roll', rollRoutes({ directory, rolls, log }));
  app.route('/', monitoringRoutes(directory));
  app.route('/', agentRoutes({ directory, config }));

  app.get('/api/v1/orchestrator/nodes', async call => {
    const reader = clientVersion(call) === '' ? 'muster' : 'bacalhau';
    const now = (clock ?? systemClock).now();
    const nodes = await queryNodes(directory.seen(), parameters(call), now, reader);
    return nodeLists.answer(call, { nodes, now, status: directory.status() });
  });
  app.get('/api/v1/orchestrator/nodes/:name', call =>
    answer(call, { Node: directory.get(nodeName(call.req.param('name'))) }),
  );
  app.get('/api/v1/orchestrator/nodes/:name/explanation', call => {
    const node = directory.get(nodeName(call.req.param('name')));
    return answer(call, explainNode(node, (clock ?? systemClock).now()));
  });
  app.get('/api/v1/orchestrator/history/:name', call =>
    answer(call, directory.history(nodeName(call.req.param('name')))),
  );
  app.put('/api/v1/orchestrator/nodes/:name', limitBody(maxMessageBytes), async call => {
    const name = nodeName(call.req.param('name'));
    const body = new Uint8Array(await call.req.arrayBuffer());
    const { action, decision } = readNodeChange(body, claimed => actOf(call, claimed));
    await directory[action](name, { ...decision, isGivenUp: call.get('isGivenUp') });
    return answer(call, { Success: true });
  });

  app.get('/api/v1/orchestrator/gone', call =>
    answer(call, { Nodes: directory.goneNodes(sinceOf(parameters(call))) }),
  );

  app.get('/api/v1/orchestrator/bans', call => answer(call, { Bans: directory.bans() }));
  app.put('/api/v1/orchestrator/bans/:fingerprint', limitBody(maxMessageBytes), async call => {
    const fingerprint = printable(call.req.param('fingerprint'), 64);
    const { Actor } = readBody(unbanSchema, new Uint8Array(await call.req.arrayBuffer()));
    await directory.unban(fingerprint, actOf(call, Actor));
    return answer(call, { Success: true });
  });

  app.put('/api/v1/orchestrator/store', limitBody(maxMessageBytes), async call => {
    const { Actor } = readBody(confirmStoreSchema, new Uint8Array(await call.req.arrayBuffer()));
    await directory.confirmStore(actOf(call, Actor));
    return answer(call, { Success: true });
  });
  app.get('/api/v1/orchestrator/store/lost', call => answer(call, { Nodes: directory.lostNodes() }));
  app.put('/api/v1/orchestrator/store/lost/:id', limitBody(maxMessageBytes), async call => {
    const id = nodeName(call.req.param('id'));
    const { Actor } = readBody(rebuildSchema, new Uint8Array(await call.req.arrayBuffer()));
    await directory.rebuild(id, actOf(call, Actor));
    return answer(call, { Success: true });
  });

  addJoinCodeRoutes(app, directory.joinCodes);
  addBacalhauRoutes(app, directory.bacalhau);

  app.get('/api/v1/orchestrator/status', call => answer(call, withShownNames(directory.status())));
  app.get('/api/v1/orchestrator/events', async call => {
    const query = eventQuery(parameters(call));
    if (call.req.method === 'HEAD') return call.body(null);
    await events.serve(call.env.outgoing, query, untilRevoked(directory, call));
    return RESPONSE_ALREADY_SENT;
  });

  app.notFound(call => {
    const route = printable(`${call.req.method} ${call.req.path}`, 200);
    throw new RequestFault(404, `there is nothing at ${route}`, 'docs/messages.md lists what there is');
  });
  app.onError((error, call) => {
    const { method, path } = call.req;
    const problem = problemOf(error, requestIdOf(call));
    // Only the path is logged, because a query may contain private text, and the body of a PUT contains the caller's token.
    if (problem) log.debug({ method, path, status: problem.Status, err: error }, 'request refused');
    else if (isCutShort(call)) log.debug({ method, path, err: error }, 'the caller went away in its request');
    else log.error({ method, path, err: error }, 'request failed unexpectedly');
    const shown = problem ?? unexpectedProblem(requestIdOf(call));
    return answer(call, shown, shown.Status);
  });
  return app;
}

/** Returns whether the connection was closed before the whole request had come. */
function isCutShort({ env: { incoming } }: Call): boolean {
  return incoming.destroyed && !incoming.complete;
}

// A name that cannot be an id belongs to no node, so the directory is not asked.
function nodeName(name: string): string {
  if (nodeIdPattern.test(name)) return name;
  throw notFound(printable(name, 128));
}

function eventQuery(query: URLSearchParams): EventQuery {
  const node = query.get('node') || undefined;
  // The id becomes a part of a subject, in which * and > would mean every node.
  if (node !== undefined && !nodeIdPattern.test(node)) throw new RequestFault(400, 'node is not a node id');
  const since = timeOf(query.get('since') || undefined);
  const after = cursorOf(query.get('after') || undefined);
  if (since && after) throw new RequestFault(400, 'since and after exclude each other');
  return { node, since, after, follow: flagOf(query, 'follow') };
}

function cursorOf(text: string | undefined): EventCursor | undefined {
  if (text === undefined) return undefined;
  const cursor = readEventCursor(text);
  if (!cursor) throw new RequestFault(400, 'after is not the cursor of an event');
  return cursor;
}

function sinceOf(query: URLSearchParams): number | undefined {
  const text = query.get('since');
  if (text === null) return undefined;
  const sinceMs = parseDuration(text);
  if (sinceMs !== undefined) return sinceMs;
  throw new RequestFault(400, 'since is not a time; allowed: like 10m, 12h, 1h30m');
}

function timeOf(since: string | undefined): Date | undefined {
  if (since === undefined) return undefined;
  try {
    return new Date(validate(goTime(), since));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new RequestFault(400, 'since is not an RFC 3339 time such as 2026-01-31T12:00:00Z');
  }
}
