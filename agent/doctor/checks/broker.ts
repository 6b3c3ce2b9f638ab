// Checks that the broker runs, accepts the role, and has a version without known vulnerabilities.
import { findServerBinary } from '../../broker/binary.ts';
import { findOnPath, systemEnvironment } from '../../config/environment.ts';
import type { Role } from '../../config/role.ts';
import { requesterRemedy } from '../../output/broker-trouble.ts';
import { MusterError } from '../../system/errors.ts';
import { silentLog } from '../../system/log.ts';
import { isLoopback } from '../../system/loopback.ts';
import { packagedContents } from '../../system/packaged.ts';
import type { AccessCheck, BrokerFacts, BrokerRefusal } from '../../transport/access-check.ts';
import { hasCredentials } from '../../transport/credentials.ts';
import { connectRemedies } from '../../transport/failure.ts';
import { advisoriesUpdatedAt, reviewVersion } from './advisories.ts';
import { brokerOf } from './agent.ts';
import { type Check, type Finding, failed, ok, runAsRoot, warning } from './check.ts';
import { askAgent, type Context } from './context.ts';

export const broker = (context: Context, role: Role): Check => ({
  name: 'broker',
  async run() {
    const own = role === 'requester' && context.settings.nats.servers.length === 0;
    // The requester's own broker runs only while the requester runs.
    if (own && !(await isRequesterRunning(context))) return ownBrokerFindings(context);
    const [checks, connected] = await Promise.all([context.accessChecks(role), connectedTo(context, role)]);
    return checks.flatMap(one =>
      accessFindings(one, role, { connected, remedies: remediesFor(context, role) }),
    );
  },
});

// A requester that does not answer may still run.
const isRequesterRunning = async ({ requester }: Context) =>
  (await requester().catch(() => 'unknown')) !== undefined;

/** Returns the broker to which the agent is connected. The agent may have credentials that this user cannot read. */
async function connectedTo(context: Context, role: Role): Promise<string | 'denied' | undefined> {
  const status = role === 'agent' ? await askAgent(context) : undefined;
  return status === 'denied' ? status : status && brokerOf(status);
}

async function ownBrokerFindings({ settings }: Context): Promise<Finding[]> {
  const configured = settings.broker.binary;
  const carried = packagedContents()?.broker;
  // The version of the nats-server in the packaged file is known. Asking it would need an unpacked file.
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

interface RefusalContext {
  /** The broker to which the agent is connected; undefined when none is known. */
  connected: string | undefined;
  /** What to do about each fault. */
  remedies: typeof connectRemedies;
}

/** A requester shows its key to a broker that is not its own, and joins no cluster by a code. */
function remediesFor({ settings: { nats } }: Context, role: Role): typeof connectRemedies {
  if (role === 'agent' || nats.servers.length === 0 || hasCredentials(nats)) return connectRemedies;
  const { unauthorized, tls } = connectRemedies;
  return {
    ...connectRemedies,
    unauthorized: requesterRemedy('unauthorized') ?? unauthorized,
    tls: requesterRemedy('tls') ?? tls,
  };
}

function accessFindings(
  { server, host, result }: AccessCheck,
  role: Role,
  refusal: RefusalContext,
): Finding[] {
  if ('fault' in result) {
    const review = result.version === undefined ? [] : versionFindings(result.version, server);
    return [refusalFinding(server, result, refusal), ...review];
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
  { connected, remedies }: RefusalContext,
): Finding {
  const locked = fault === 'unauthorized' || fault === 'credentials';
  if (locked && connected === server) {
    return ok(`${server}: the agent is connected; this command has no credentials to check more`);
  }
  if (locked && connected === 'denied') {
    return warning(`${reason}; the agent may have credentials, but this user may not ask it`, runAsRoot);
  }
  return failed(reason, remedies[fault]);
}

function versionFindings(version: string, server: string): Finding[] {
  const review = reviewVersion(version);
  if (!review) {
    return [
      warning(
        `${server} says that it is version "${version}", which is not a version of nats-server`,
        'check what program listens there',
      ),
    ];
  }
  const { tooOld, vulnerabilities, nextFixed } = review;
  if (tooOld)
    return [
      failed(`${server} is nats-server ${version}; at least 2.10 is needed`, `upgrade it to ${nextFixed}`),
    ];
  if (vulnerabilities.length === 0) return [];
  const named = vulnerabilities.map(({ what, id }) => `${what} (${id})`).join('; ');
  return [
    warning(
      `${server} is nats-server ${version}, which has known vulnerabilities: ${named}`,
      `upgrade it to ${nextFixed} or newer; this list is of ${advisoriesUpdatedAt}, newer ones are at https://advisories.nats.io`,
    ),
  ];
}

function exposureFindings(server: string, host: string, { asksForLogin, encrypted }: BrokerFacts): Finding[] {
  if (isLoopback(host)) return [];
  const findings: Finding[] = [];
  if (!asksForLogin) {
    const text = `${server} accepts clients without credentials: anyone who reaches it can act as any node`;
    findings.push(warning(text, 'configure credentials at the broker, and give them to muster'));
  }
  if (!encrypted) {
    const text = `the connection to ${server} is not encrypted: whoever is in between reads join codes, work, logins and every other message, and can act as any node`;
    findings.push(
      warning(text, 'let it use TLS, and name it as tls:// in nats.servers, or by a new join code'),
    );
  }
  return findings;
}

function describe(server: string, { version, encrypted, asksForLogin, roundTripMs }: BrokerFacts): string {
  const how = [
    `nats-server ${version}`,
    asksForLogin ? 'accepts our credentials' : 'needs no credentials',
    ...(encrypted ? ['encrypted'] : []),
    `answers in ${roundTripMs < 10 ? roundTripMs.toFixed(1) : Math.round(roundTripMs)} ms`,
  ];
  return `${server}: ${how.join(', ')}`;
}
