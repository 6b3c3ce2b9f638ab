// Check: the agent of this machine runs, and how it stands with its requester.
import type { AgentStatus } from '../../compute/agent.ts';
import { version } from '../../system/version.ts';
import { type Check, type Finding, failed, ok, warning } from './check.ts';
import type { Context } from './context.ts';
import { howToStart, notRunning } from './not-running.ts';

export const agent = (context: Context): Check => ({
  name: 'agent',
  async look() {
    const status = await context.agent();
    if (!status) return [await notRunning(context, 'agent')];
    return [
      ...standing(status),
      ...reports(status, context),
      ...(await elsewhere(status, context)),
      ...age(status.version, 'agent'),
    ];
  },
});

/** A role that runs on after an upgrade is the old one. */
export function age(running: string, role: 'agent' | 'requester'): Finding[] {
  if (running === version) return [];
  return [
    warning(
      `it runs muster ${running}, and this is muster ${version}`,
      `start it again: ${howToStart(role)}`,
    ),
  ];
}

function standing(status: AgentStatus): Finding[] {
  const { state, node, pid, reason, fingerprint, requester, cluster, broker } = status;
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
          `on the requester's machine, where the fingerprint is the same: muster node approve ${node}`,
        ),
      ];
    case 'rejected':
      return [
        failed(`rejected${where}${why}; ${who}`, `on the requester's machine: muster node approve ${node}`),
      ];
    case 'deleted':
      return [
        failed(`deleted${where}; ${who}`, 'register it again, if it is to come back: muster agent register'),
      ];
    case 'registering':
      return [
        failed(
          `not registered${why}; its broker: ${broker}; ${who}`,
          'see what the broker and requester lines say',
        ),
      ];
    default:
      return [warning(`it is just starting (${state}); ${who}`, 'ask again in a moment')];
  }
}

/** An agent that was started with other settings than these: the lines about its broker are about another one. */
async function elsewhere({ broker: told }: AgentStatus, { broker }: Context): Promise<Finding[]> {
  const server = /^connected to (\S+)$/.exec(told)?.[1];
  const servers = (await broker('agent'))?.servers ?? [];
  if (server === undefined || servers.includes(server)) return [];
  const text = `it is connected to ${server}, which these settings do not name (${servers.join(', ')})`;
  return [warning(text, 'run this with the settings that the agent was started with')];
}

/** Silence of this many of the longest intervals between two reports is too long. */
const patience = 3;

function reports({ state, lastAcknowledged }: AgentStatus, { settings }: Context): Finding[] {
  const { infoUpdateFrequency, resourceUpdateFrequency } = settings.compute;
  if (state !== 'approved' && state !== 'pending' && state !== 'registered') return [];
  if (lastAcknowledged === undefined) return [];
  const silence = Date.now() - Date.parse(lastAcknowledged);
  if (silence < patience * Math.max(infoUpdateFrequency, resourceUpdateFrequency)) return [];
  const text = `no report was acknowledged for ${Math.round(silence / 1000)} s`;
  return [failed(text, 'see what the broker and requester lines say')];
}
