// Checks that the requester answers: on its own machine through its socket and its API, on other machines through the
// broker.
import { localApi } from '../../api/client.ts';
import type { Role } from '../../config/role.ts';
import { answerSchema } from '../../protocol/answers.ts';
import { parseJson, writeJson } from '../../protocol/json.ts';
import { emptyComputeNodeInfo } from '../../protocol/node-info.ts';
import { readRefusal } from '../../protocol/refusal.ts';
import { validate } from '../../protocol/schema.ts';
import { inboxPrefix, managementSubject, whySubject } from '../../protocol/subjects.ts';
import type { RequesterStatus } from '../../requester/status/requester-status.ts';
import { systemClock } from '../../system/clock.ts';
import { MusterError, reasonOf } from '../../system/errors.ts';
import { silentLog } from '../../system/log.ts';
import { systemRandom } from '../../system/random.ts';
import type { TroubleCode } from '../../system/trouble.ts';
import { version } from '../../system/version.ts';
import { connect } from '../../transport/nats.ts';
import { BrokerError, type Connection } from '../../transport/port.ts';
import { brokerOf, isSilent, silenceMsOf, versionFindings } from './agent.ts';
import { type Check, type Finding, failed, ok, runAsRoot, warning } from './check.ts';
import { askAgent, type Context } from './context.ts';
import { notRunning } from './not-running.ts';
import { peerFindings } from './peers.ts';
import { storedOnFindings } from './stored-on.ts';
import { trustFindings } from './trust.ts';

export const requester = (context: Context, role: Role): Check => ({
  name: 'requester',
  timeoutMs: 20_000,
  run: () => (role === 'requester' ? askLocally(context) : askOverBroker(context)),
});

async function askLocally(context: Context): Promise<Finding[]> {
  const status = await context.requester();
  if (!status) return [await notRunning(context, 'requester')];
  return [
    ...stateFindings(status),
    ...peerFindings(status),
    ...storedOnFindings(status),
    ...versionFindings(status.version, 'requester'),
    ...(context.settings.nats.servers.length > 0 ? trustFindings(status, context.settings.broker) : []),
    ...(await apiFindings(context)),
  ];
}

function stateFindings({
  state,
  reason,
  node,
  pid,
  nodes,
  broker,
  troubles = [],
}: RequesterStatus): Finding[] {
  const who = `node ${node}, process ${pid}`;
  const why = reason ? `: ${reason}` : '';
  const unread = nodes?.unreadable
    ? [warning(`${nodes.unreadable} records of nodes cannot be read`, 'its log names them')]
    : [];
  if (troubles.length > 0) {
    return [
      ...troubles.map(({ code, text, hint }) =>
        (mildTroubles.has(code) ? warning : failed)(`${text}; ${who}`, hint),
      ),
      ...unread,
    ];
  }
  if (state === 'ready') {
    const count = nodes ? `${nodes.total} nodes, ${nodes.pending} pending approval; ` : '';
    return [ok(`ready, ${count}${who}`), ...unread];
  }
  return [
    failed(
      `it is not ready (${state})${why}; its broker: ${broker}; ${who}`,
      'see what the broker line says, and its log',
    ),
  ];
}

/** The troubles that keep the requester from nothing yet. */
const mildTroubles: ReadonlySet<TroubleCode> = new Set([
  'degraded',
  'verdicts_wait',
  'replica_behind',
  'single_replica',
  'raised_in_place',
]);

async function apiFindings({ settings }: Context): Promise<Finding[]> {
  // With port 0 the system has chosen a port, which is not known here.
  if (settings.api.port === 0) return [];
  try {
    const client = localApi(settings, { deadlineMs: 5_000 });
    await client.status();
    return [ok(`its API answers at ${client.url}`)];
  } catch (error) {
    if (!(error instanceof MusterError)) throw error;
    return [
      failed(
        `its API cannot be used: ${error.message}`,
        'set api.host and api.port to those of the running requester, or see its log',
      ),
    ];
  }
}

/** Times for the connection and for the answer, in milliseconds. */
const timeoutsMs = { connect: 5_000, answer: 3_000 };

/**
 * Sends a request in the name of a node that does not exist. The requester refuses it, and changes and stores nothing.
 * The last answer to a running agent is not used, because it may be old.
 */
async function askOverBroker(context: Context): Promise<Finding[]> {
  const access = await context.broker('agent');
  const reachable = (await context.accessChecks('agent')).some(({ result }) => !('fault' in result));
  if (!access || !reachable) return [await askLocalAgent(context)];
  const connection = connect({
    servers: access.servers,
    tls: () => access.tls,
    name: access.node?.name ?? 'muster doctor',
    inboxPrefix: access.node && inboxPrefix(access.node.key),
    credentials: () => access.credentials,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
  try {
    await connection.connected(AbortSignal.timeout(timeoutsMs.connect));
    const answered = access.node && (await askWhyRefused(connection, access.node.key));
    return [answered ?? (await sendTestRequest(connection))];
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    return [failed(`it cannot be asked: ${error.message}`, 'see what the broker line says')];
  } finally {
    await connection.close(100);
  }
}

/** Asks the agent that runs here when the requester last answered, because the broker refused our credentials. */
async function askLocalAgent(context: Context): Promise<Finding> {
  const status = await askAgent(context);
  if (status === 'denied')
    return warning('it cannot be asked, and this user may not ask the agent', runAsRoot);
  const silence = status && silenceMsOf(status);
  if (!status || silence === undefined || brokerOf(status) === undefined || isSilent(status, context)) {
    // The finding about the broker contains the reason.
    return failed('it cannot be asked, because no broker lets us in', 'see what the broker line says');
  }
  return ok(`${status.requester ?? 'it'} answered the agent ${Math.round(silence / 1000)} s ago`);
}

/**
 * Asks in the name of the node whether its key was refused, which changes nothing. Returns undefined when nobody listens:
 * the broker is one that knows no keys of nodes.
 */
async function askWhyRefused(connection: Connection, key: string): Promise<Finding | undefined> {
  try {
    const { data } = await connection.request(whySubject(key), '', timeoutsMs.answer);
    const refusal = readRefusal(data);
    if (!refusal) return ok('it answers, and lets this node in');
    return failed(`it refuses this node: ${refusal.reason}`, refusal.hint);
  } catch (error) {
    if (error instanceof BrokerError && error.fault === 'no_responders') return undefined;
    if (!(error instanceof BrokerError) || error.fault !== 'timeout') throw error;
    return failed(
      `it did not answer within ${timeoutsMs.answer / 1000} s`,
      'see the log of the requester, and whether it runs',
    );
  }
}

async function sendTestRequest(connection: Connection): Promise<Finding> {
  const node = `doctor-${systemRandom.uuid()}`;
  // A Bacalhau orchestrator would read UpdateResources as a heartbeat, and remember the node.
  const subject = managementSubject(node, 'UpdateNodeInfo/v1');
  const info = { NodeID: node, NodeType: 'Compute', ComputeNodeInfo: emptyComputeNodeInfo };
  const question = writeJson({ Info: info, Muster: { Version: version } });
  try {
    const { data } = await connection.request(subject, question, timeoutsMs.answer);
    return describe(data);
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    if (error.fault === 'no_responders') {
      return failed('no requester listens at this broker', 'start one there, or correct nats.servers');
    }
    if (error.fault !== 'timeout') throw error;
    return failed(
      `it did not answer within ${timeoutsMs.answer / 1000} s, or the broker does not allow the request`,
      'see the log of the requester, and the permissions that the broker gives',
    );
  }
}

function describe(data: Uint8Array): Finding {
  try {
    const { muster } = validate(answerSchema, parseJson(data));
    if (!muster) return ok('a Bacalhau orchestrator answers');
    const { RequesterID, ClusterID, Version } = muster;
    return ok(`${RequesterID} answers, muster ${Version}, cluster ${ClusterID}`);
  } catch (error) {
    return failed(
      `something answers that is not a requester: ${reasonOf(error)}`,
      'check which other program uses this broker',
    );
  }
}
