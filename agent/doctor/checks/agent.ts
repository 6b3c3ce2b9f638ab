// Checks that the agent of this machine runs, is approved, and gets its reports acknowledged.
import type { AgentStatus } from '../../compute/agent-status.ts';
import type { Role } from '../../config/role.ts';
import { version } from '../../system/version.ts';
import { type Check, type Finding, failed, ok, warning } from './check.ts';
import type { Context } from './context.ts';
import { howToStart, notRunning } from './not-running.ts';

export const agent = (context: Context): Check => ({
  name: 'agent',
  async run() {
    const status = await context.agent();
    if (!status) return [await notRunning(context, 'agent')];
    return [
      ...stateFindings(status),
      ...reportFindings(status, context),
      ...ownFindings(status),
      ...(await otherSettingsFindings(status, context)),
      ...versionFindings(status.version, 'agent'),
    ];
  },
});

/**
 * Warns when a running role has another version than this program. After an upgrade the old version runs until a restart.
 */
export function versionFindings(running: string, role: Role): Finding[] {
  if (running === version) return [];
  return [
    warning(`it runs muster ${running}, and this is muster ${version}`, `restart it: ${howToStart(role)}`),
  ];
}

function stateFindings(status: AgentStatus): Finding[] {
  const { state, node, pid, reason, fingerprint, requester, cluster } = status;
  const who = `node ${node}, process ${pid}`;
  const where = requester ? ` by requester ${requester}, cluster ${cluster}` : '';
  const why = reason ? `: ${reason}` : '';
  switch (state) {
    case 'approved':
    case 'registered':
      return [ok(`${state}${where}; ${who}`)];
    case 'pending':
      return [
        warning(
          `pending approval, fingerprint ${fingerprint}; ${who}`,
          `on the requester's machine: muster node approve ${node}`,
        ),
      ];
    case 'rejected':
      return [
        failed(`rejected${where}${why}; ${who}`, `on the requester's machine: muster node approve ${node}`),
      ];
    case 'deleted':
      return [
        failed(`deleted${where}; ${who}`, 'if it should come back, register it again: muster agent register'),
      ];
    case 'refused': {
      const hint = status.troubles?.find(({ code }) => code === 'key_refused')?.hint;
      return [failed(`refused${where}${why}; ${who}`, hint ?? "the requester's log says more")];
    }
    case 'registering':
      return [failed(`not registered${why}; ${who}`, 'see what the broker and requester lines say')];
    default:
      return [warning(`it is just starting (${state}); ${who}`, 'repeat this command in a moment')];
  }
}

/** Returns the address of the broker to which a running agent is connected, as messages write it. */
export const brokerOf = ({ broker }: AgentStatus): string | undefined =>
  /^connected to (\S+)$/.exec(broker)?.[1];

/**
 * Warns when the agent was started with other settings, because then the findings about the broker are about another
 * broker.
 */
async function otherSettingsFindings(status: AgentStatus, { broker }: Context): Promise<Finding[]> {
  const server = brokerOf(status);
  const servers = (await broker('agent'))?.servers ?? [];
  if (server === undefined || servers.includes(server)) return [];
  const text = `it is connected to ${server}, which these settings do not name (${servers.join(', ')})`;
  return [warning(text, 'run this with the settings that the agent was started with')];
}

/** Number of longer report intervals after which the requester has been silent for too long. */
const silentAfterIntervals = 3;

/** Returns the time since a requester last acknowledged a report, in milliseconds; undefined when none ever did. */
export const silenceMsOf = ({ lastAcknowledged }: AgentStatus): number | undefined =>
  lastAcknowledged === undefined ? undefined : Math.max(0, Date.now() - Date.parse(lastAcknowledged));

/** Returns whether no report was acknowledged for too long. */
export function isSilent(status: AgentStatus, { settings }: Context): boolean {
  const { infoUpdateFrequency, resourceUpdateFrequency } = settings.compute;
  return (
    (silenceMsOf(status) ?? 0) > silentAfterIntervals * Math.max(infoUpdateFrequency, resourceUpdateFrequency)
  );
}

/** Returns the troubles that lie in the agent itself. The other findings tell the troubles with broker and requester. */
function ownFindings({ troubles = [] }: AgentStatus): Finding[] {
  return troubles
    .filter(({ code }) => /^(not_kept|folder_not_writable|busy_unknown|no_metrics|stalled)$/.test(code))
    .map(({ text, hint }) => failed(text, hint));
}

function reportFindings(status: AgentStatus, context: Context): Finding[] {
  const remedy = 'see what the broker and requester lines say, and its log';
  if (brokerOf(status) === undefined) return [failed(`it has no broker: ${status.broker}`, remedy)];
  const silent = status.troubles?.find(({ code }) => code === 'requester_silent');
  if (silent) return [failed(silent.text, silent.hint)];
  if (!isSilent(status, context)) return [];
  const seconds = Math.round((silenceMsOf(status) ?? 0) / 1000);
  return [failed(`none of its reports was acknowledged for ${seconds} s`, remedy)];
}
