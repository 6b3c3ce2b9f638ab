// Check: the requester answers. On its own machine it is asked what it does, and its API; from elsewhere, over NATS.

import { ApiClient } from '../../api/client.ts';
import type { Role } from '../../config/role.ts';
import { answerSchema } from '../../protocol/answers.ts';
import { parseJson, writeJson } from '../../protocol/json.ts';
import { emptyComputeNodeInfo } from '../../protocol/node-info.ts';
import { validate as readAs } from '../../protocol/schema.ts';
import { managementSubject } from '../../protocol/subjects.ts';
import type { RequesterStatus } from '../../requester/status/requester-status.ts';
import { systemClock } from '../../system/clock.ts';
import { MusterError, reasonOf } from '../../system/errors.ts';
import { silentLog } from '../../system/log.ts';
import { systemRandom } from '../../system/random.ts';
import { version } from '../../system/version.ts';
import { connect } from '../../transport/nats.ts';
import { BrokerError, type Connection } from '../../transport/port.ts';
import { brokerOf, isSilent, silenceMsOf, versionFindings } from './agent.ts';
import { type Check, type Finding, failed, ok, runAsRoot, warning } from './check.ts';
import { askAgent, type Context } from './context.ts';
import { notRunning } from './not-running.ts';

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
    ...versionFindings(status.version, 'requester'),
    ...(await apiFindings(context)),
  ];
}

function stateFindings({ state, reason, node, pid, nodes, broker }: RequesterStatus): Finding[] {
  const who = `node ${node}, process ${pid}`;
  const why = reason ? `: ${reason}` : '';
  if (state === 'ready') {
    const count = nodes ? `${nodes.total} nodes, ${nodes.pending} pending approval; ` : '';
    const unread = nodes?.unreadable
      ? [warning(`${nodes.unreadable} records of nodes cannot be read`, 'its log names them')]
      : [];
    return [ok(`ready, ${count}${who}`), ...unread];
  }
  if (state === 'degraded') {
    return [
      warning(`it trusts its own silence no more, and calls no node UNHEALTHY${why}; ${who}`, 'see its log'),
    ];
  }
  return [
    failed(
      `it is not ready (${state})${why}; its broker: ${broker}; ${who}`,
      'see what the broker line says, and its log',
    ),
  ];
}

async function apiFindings({ settings }: Context): Promise<Finding[]> {
  // The system chose one.
  if (settings.api.port === 0) return [];
  const client = new ApiClient({ ...settings.api, deadlineMs: 5_000 });
  try {
    await client.status();
    return [ok(`its API answers at ${client.url}`)];
  } catch (error) {
    if (!(error instanceof MusterError)) throw error;
    return [
      failed(
        `its API does not answer: ${error.message}`,
        'set api.host and api.port as the running requester has them, or see its log',
      ),
    ];
  }
}

/** Milliseconds to connect, and to be answered. */
const timeoutsMs = { connect: 5_000, answer: 3_000 };

/**
 * Asks as a node that is on nobody's roll: the answer is a refusal, and nothing is changed or kept. An agent that runs here
 * has its own word on it, but this one is of now.
 */
async function askOverBroker(context: Context): Promise<Finding[]> {
  const access = await context.broker('agent');
  const reachable = (await context.examinations('agent')).some(({ result }) => !('fault' in result));
  if (!access || !reachable) return [await askLocalAgent(context)];
  const connection = connect({
    ...access,
    name: 'muster doctor',
    credentials: () => access.credentials,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
  try {
    await connection.connected(AbortSignal.timeout(timeoutsMs.connect));
    return [await sendTestRequest(connection)];
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    return [failed(`it cannot be asked: ${error.message}`, 'see what the broker line says')];
  } finally {
    await connection.close(100);
  }
}

/** Without a way of our own in: what the agent that runs here has heard of it. */
async function askLocalAgent(context: Context): Promise<Finding> {
  const status = await askAgent(context);
  if (status === 'denied') return warning('it cannot be asked, nor may this user ask the agent', runAsRoot);
  const silence = status && silenceMsOf(status);
  if (!status || silence === undefined || brokerOf(status) === undefined || isSilent(status, context)) {
    // The broker's own line says why.
    return failed('it cannot be asked, as no broker lets us in', 'see what the broker line says');
  }
  return ok(`${status.requester ?? 'it'} answered the agent ${Math.round(silence / 1000)} s ago`);
}

async function sendTestRequest(connection: Connection): Promise<Finding> {
  const node = `doctor-${systemRandom.uuid()}`;
  // Not UpdateResources: to a Bacalhau orchestrator that is a heartbeat, and it remembers whose.
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
      `it did not answer within ${timeoutsMs.answer / 1000} s, or the broker does not let us ask`,
      'see the log of the requester, and the permissions that the broker gives',
    );
  }
}

function describe(data: Uint8Array): Finding {
  try {
    const { muster } = readAs(answerSchema, parseJson(data));
    if (!muster) return ok('a Bacalhau orchestrator answers');
    const { RequesterID, ClusterID, Version } = muster;
    return ok(`${RequesterID} answers, muster ${Version}, cluster ${ClusterID}`);
  } catch (error) {
    return failed(
      `what answers is no requester: ${reasonOf(error)}`,
      'check what else listens at this broker',
    );
  }
}
