// Check: the broker is there, lets the role in, and is a version without known holes.
import { findServerBinary } from '../../broker/binary.ts';
import { findOnPath, systemEnvironment } from '../../config/environment.ts';
import type { Role } from '../../config/role.ts';
import { isLoopback } from '../../requester/api/loopback.ts';
import { MusterError } from '../../system/errors.ts';
import { silentLog } from '../../system/log.ts';
import { packagedContents } from '../../system/packaged.ts';
import type { AccessCheck, BrokerFacts, BrokerRefusal } from '../../transport/access-check.ts';
import type { ConnectFault } from '../../transport/port.ts';
import { advisoriesUpdatedAt, reviewVersion } from './advisories.ts';
import { brokerOf } from './agent.ts';
import { type Check, type Finding, failed, ok, runAsRoot, warning } from './check.ts';
import { askAgent, type Context } from './context.ts';

export const broker = (context: Context, role: Role): Check => ({
  name: 'broker',
  async run() {
    const own = role === 'requester' && context.settings.nats.servers.length === 0;
    // Its own one runs as long as the requester does.
    if (own && !(await isRequesterRunning(context))) return ownBrokerFindings(context);
    const [checks, connected] = await Promise.all([context.examinations(role), connectedTo(context, role)]);
    return checks.flatMap(one => examinationFindings(one, role, connected));
  },
});

// A requester that does not answer may run.
const isRequesterRunning = async ({ requester }: Context) =>
  (await requester().catch(() => 'unknown')) !== undefined;

/** The broker that the agent itself is connected to: it may have credentials that whoever runs this has not. */
async function connectedTo(context: Context, role: Role): Promise<string | 'denied' | undefined> {
  const status = role === 'agent' ? await askAgent(context) : undefined;
  return status === 'denied' ? status : status && brokerOf(status);
}

async function ownBrokerFindings({ settings }: Context): Promise<Finding[]> {
  const configured = settings.broker.binary;
  const carried = packagedContents()?.broker;
  // Looked at only: unpacking it would write.
  if (configured === undefined && carried && 'version' in carried)
    return [ok(`the requester would run the nats-server ${carried.version} that this file carries`)];
  try {
    const onPath = (name: string) => findOnPath(name, systemEnvironment);
    const { path, version } = await findServerBinary({ configured, findOnPath: onPath, log: silentLog });
    return [ok(`the requester would run ${path}, nats-server ${version}`), ...versionFindings(version, path)];
  } catch (error) {
    if (!(error instanceof MusterError)) throw error;
    return [failed(error.message, error.hint ?? 'install nats-server, or name one with broker.binary')];
  }
}

const remedies: Record<ConnectFault, string> = {
  unreachable: 'start the broker, let the network through, or correct nats.servers',
  unauthorized:
    'give this role credentials that the broker knows: nats.token, nats.tokenFile, nats.credsFile',
  tls: 'make the certificates and nats.tls.* fit',
  credentials: 'put the credentials where the setting says',
  protocol: 'correct nats.servers: it names the port of NATS, 4222 as a rule',
};

function examinationFindings(
  { server, host, result }: AccessCheck,
  role: Role,
  connected: string | undefined,
): Finding[] {
  if ('fault' in result) {
    const judged = result.version === undefined ? [] : versionFindings(result.version, server);
    return [refusalFinding(server, result, connected), ...judged];
  }
  const all = [
    ok(describe(server, result)),
    ...versionFindings(result.version, server),
    ...exposureFindings(server, host, result),
  ];
  if (!result.jetstream && role === 'requester') {
    const text = `${server} has no JetStream, where a requester keeps its roll`;
    all.push(failed(text, 'enable it: jetstream {} in its configuration'));
  }
  return all;
}

function refusalFinding(
  server: string,
  { fault, reason }: BrokerRefusal,
  connected: string | undefined,
): Finding {
  const locked = fault === 'unauthorized' || fault === 'credentials';
  if (locked && connected === server) {
    return ok(`${server}: the agent is connected; without its credentials no more can be seen from here`);
  }
  if (locked && connected === 'denied') {
    return warning(`${reason}; the agent may have them, and is not for this user to ask`, runAsRoot);
  }
  return failed(reason, remedies[fault]);
}

function versionFindings(version: string, server: string): Finding[] {
  const judged = reviewVersion(version);
  if (!judged) {
    return [
      warning(
        `${server} calls itself version "${version}", which is none of nats-server's`,
        'check what answers there',
      ),
    ];
  }
  const { tooOld, holes, better } = judged;
  if (tooOld)
    return [
      failed(`${server} is nats-server ${version}; at least 2.10 is needed`, `upgrade it to ${better}`),
    ];
  if (holes.length === 0) return [];
  const named = holes.map(({ what, id }) => `${what} (${id})`).join('; ');
  return [
    warning(
      `${server} is nats-server ${version}, which has known holes: ${named}`,
      `upgrade it to ${better} or newer; what is known is of ${advisoriesUpdatedAt}, the newest is on https://advisories.nats.io`,
    ),
  ];
}

function exposureFindings(server: string, host: string, { asksForLogin, encrypted }: BrokerFacts): Finding[] {
  if (isLoopback(host)) return [];
  const found: Finding[] = [];
  if (!asksForLogin) {
    const text = `${server} lets everybody in who reaches it: each can speak in any node's name`;
    found.push(warning(text, 'have it ask for credentials, and give them to muster'));
  }
  if (asksForLogin && !encrypted) {
    const text = `${server} is reached without encryption: who listens on the way learns the credentials`;
    found.push(warning(text, 'use TLS: tls:// in nats.servers, and nats.tls.*'));
  }
  return found;
}

function describe(server: string, { version, encrypted, asksForLogin, roundTripMs }: BrokerFacts): string {
  const how = [
    `nats-server ${version}`,
    asksForLogin ? 'lets us in' : 'asks nobody for credentials',
    ...(encrypted ? ['encrypted'] : []),
    `answers in ${roundTripMs < 10 ? roundTripMs.toFixed(1) : Math.round(roundTripMs)} ms`,
  ];
  return `${server}: ${how.join(', ')}`;
}
