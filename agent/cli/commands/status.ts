// `muster status` shows the state of the roles that run on this machine. It asks them through the sockets in their folders.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentStatus } from '../../compute/agent.ts';
import type { LoadedSettings } from '../../config/load.ts';
import { runtimeFolder, searchedFolders } from '../../config/paths.ts';
import { jsonText } from '../../output/data.ts';
import { type Row, sectionsText } from '../../output/sections.ts';
import { print } from '../../output/terminal.ts';
import { agoText } from '../../output/units.ts';
import type { RequesterStatus } from '../../requester/status/requester-status.ts';
import { systemClock } from '../../system/clock.ts';
import { MusterError } from '../../system/errors.ts';
import { askHolder } from '../../system/role-socket.ts';
import type { Argv, Example, FlagTable } from '../line/command.ts';
import { outputFlag } from '../line/output-flag.ts';

export const settings = ['dataDir'] as const;

export const flags = {
  output: outputFlag('text', 'json'),
} as const satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster status', 'show the roles that run here'],
  ['muster status -o json --data-dir /srv/muster', 'for a script; the state is in another folder'],
];

export const run = ({ load, flags: { output } }: Argv<typeof flags>): Promise<number> =>
  showStatus(() => load({ skipUnreadable: true }), output, print);

export type RoleStatus = AgentStatus | RequesterStatus;

/** Prints the roles that run here. Throws MusterError `unreachable` when no role runs here. */
export async function showStatus(
  load: () => Promise<LoadedSettings>,
  output: 'text' | 'json',
  print: (text: string) => void,
): Promise<number> {
  const { settings } = await load();
  const folders = await searchedFolders(settings);
  const roles = await firstRoles(folders);
  if (roles.length === 0) {
    throw new MusterError(
      'unreachable',
      `no agent and no requester runs here (looked in ${folders.join(' and ')})`,
      {
        hint: 'start one with: muster agent, muster requester or muster dev; for another folder: --data-dir',
      },
    );
  }
  print(output === 'json' ? jsonText(roles) : roles.map(statusText).join('\n'));
  return 0;
}

/** Returns the roles of the first folder in which a role runs. */
async function firstRoles(folders: string[]): Promise<RoleStatus[]> {
  for (const folder of folders) {
    const roles = await rolesIn(folder);
    if (roles.length > 0) return roles;
  }
  return [];
}

async function rolesIn(data: string): Promise<RoleStatus[]> {
  const dev = join(data, 'dev');
  const names = await readdir(dev).catch(() => []);
  const folders = [data, ...names.sort().map(name => join(dev, name))];
  const statuses = folders.flatMap(folder => [
    askHolder(runtimeFolder(folder, 'requester'), { command: 'status' }),
    askHolder(runtimeFolder(folder, 'agent'), { command: 'status' }),
  ]);
  return (await Promise.all(statuses)).filter(status => status !== undefined) as RoleStatus[];
}

/** Returns the status of a role for people. */
export function statusText(status: RoleStatus): string {
  const rows = status.role === 'agent' ? agentRows(status) : requesterRows(status);
  const title = [status.role, status.node].filter(Boolean).join(' ');
  return sectionsText([{ title, rows: rows.filter(([, value]) => value !== '') }]);
}

const states: Record<AgentStatus['state'], string> = {
  registering: 'registering',
  pending: 'pending approval',
  approved: 'approved',
  registered: 'registered (a Bacalhau requester does not say whether it approved the node)',
  rejected: 'rejected',
  deleted: 'deleted; to register again: muster agent register',
};

function agentRows(status: AgentStatus): Row[] {
  const state = states[status.state] ?? status.state;
  return [
    ['state', status.reason ? `${state} (${status.reason})` : state],
    ['fingerprint', status.fingerprint ?? ''],
    ['broker', status.broker ?? ''],
    ['requester', status.requester ? `${status.requester}, cluster ${status.cluster}` : 'not known'],
    ['heartbeats', heartbeatsText(status)],
    ['acknowledged', ago(status.lastAcknowledged)],
    ...(status.conditions ?? []).map(
      ({ Type, Reason, Since }): Row => ['condition', `${Type} since ${Since}: ${Reason}`],
    ),
    ['process', `${status.pid}, muster ${status.version ?? ''}`],
  ];
}

function heartbeatsText({ heartbeats = 0, lastHeartbeat }: AgentStatus): string {
  return lastHeartbeat ? `${heartbeats} sent, the last ${ago(lastHeartbeat)}` : `${heartbeats} sent`;
}

function requesterRows(status: RequesterStatus): Row[] {
  const { nodes, counters } = status;
  return [
    ['state', status.reason ? `${status.state} (${status.reason})` : status.state],
    ['broker', status.broker ?? ''],
    ['cluster', status.clusterId ?? 'not known'],
    [
      'nodes',
      nodes
        ? `${nodes.total}, ${nodes.pending} pending approval${nodes.unreadable ? `, ${nodes.unreadable} unreadable` : ''}`
        : 'not read',
    ],
    [
      'heartbeats',
      counters
        ? `${counters.heartbeats} received, ${counters.heartbeatsUnknown} of them from nodes not on the roll`
        : '',
    ],
    ['events', eventsText(status.eventsWaiting ?? 0)],
    ['process', `${status.pid}, muster ${status.version ?? ''}`],
  ];
}

function eventsText(waitingNodes: number): string {
  if (waitingNodes === 0) return 'all acknowledged by the broker';
  return `${waitingNodes === 1 ? '1 node has' : `${waitingNodes} nodes have`} events that the broker has not acknowledged`;
}

/** Returns `3 s ago`, or `never` when there is no time. */
const ago = (time: string | undefined): string => (time ? agoText(time, systemClock.now()) : 'never');
