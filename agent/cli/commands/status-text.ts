// Formats the status of a role for people. What is wrong comes first.
import type { AgentStatus } from '../../compute/agent-status.ts';
import { clockDifferenceText } from '../../output/clock-difference.ts';
import { sectionsText } from '../../output/sections.ts';
import { endText } from '../../protocol/certificate-end.ts';
import type { TextRow } from '../../protocol/explanation.ts';
import { agoText, timeText } from '../../protocol/unit-text.ts';
import type { RequesterStatus } from '../../requester/status/requester-status.ts';
import { systemClock } from '../../system/clock.ts';
import type { Trouble } from '../../system/trouble.ts';
import { storeText } from './store-text.ts';

/** A role that holds its folder and does not answer. */
export interface SilentRole {
  readonly role: 'agent' | 'requester';
  readonly state: 'silent';
  readonly troubles: readonly Trouble[];
}
export type RoleStatus = AgentStatus | RequesterStatus;
export type ShownRole = RoleStatus | SilentRole;

/** Width of the text, in columns. Longer values are broken between words. */
const columns = 80;

/** Returns the status of a role for people. */
export function statusText(status: ShownRole): string {
  const { role, troubles = [] } = status;
  const wrong = troubles.flatMap(({ text, hint }): TextRow[] => [
    ['trouble', text],
    ['to do', hint],
  ]);
  if (status.state === 'silent') return sectionsText([{ title: role, rows: wrong }], columns);
  const rows = [...wrong, ...(status.role === 'agent' ? agentRows(status) : requesterRows(status))];
  const title = [role, status.node].filter(Boolean).join(' ');
  return sectionsText([{ title, rows: rows.filter(([, value]) => value !== '') }], columns);
}

const hasBrokerTrouble = ({ troubles = [] }: RoleStatus): boolean =>
  troubles.some(({ code }) => code === 'broker_away' || code === 'broker_refuses');

const states: Partial<Record<AgentStatus['state'], string>> = {
  pending: 'pending approval',
  registered: 'registered (an orchestrator of Bacalhau does not say whether it approved the node)',
};

function agentRows(status: AgentStatus): TextRow[] {
  const { state, reason, troubles = [] } = status;
  const stateText = `${states[state] ?? state}${status.unconfirmed ? asOfText(status) : ''}`;
  const approve = `to let it take part, run on the requester's machine: muster node approve ${status.node}`;
  return [
    // A reason that is a trouble stands above already.
    ['state', reason && troubles.length === 0 ? `${stateText} (${reason})` : stateText],
    ['to do', state === 'pending' ? approve : ''],
    ['cordoned', status.cordon ? cordonText(status.cordon) : ''],
    ['fingerprint', status.fingerprint ?? ''],
    ['broker', hasBrokerTrouble(status) ? '' : (status.broker ?? '')],
    ['brokers', brokersText(status)],
    ['address', status.address ? addressText(status.address) : ''],
    ['requester', status.requester ? `${status.requester}, cluster ${status.cluster}` : 'not known'],
    ['heartbeats', heartbeatsText(status)],
    ['acknowledged', ago(status.lastAcknowledged)],
    ...(status.conditions ?? []).map(
      ({ Type, Reason, Since }): TextRow => ['condition', `${Type} since ${momentText(Since)}: ${Reason}`],
    ),
    ['process', `${status.pid}, muster ${status.version ?? ''}`],
  ];
}

function cordonText({ reason, actor, until, drain }: NonNullable<AgentStatus['cordon']>): string {
  const end = until ? ` until ${momentText(until)}` : '';
  const work = drain?.drainedAt ? ', and is drained' : drain ? ', and the end of its work is awaited' : '';
  const by = actor ? ` (by ${actor})` : '';
  return `gets no new work${end}${work}${reason ? `: ${reason}` : ''}${by}`;
}

/** Returns a time for people. A status may come from a role of another version, which wrote something else. */
const momentText = (time: string): string =>
  Number.isNaN(Date.parse(time)) ? time : timeText(time, systemClock.now());

const addressText = ({ ip = 'none', why }: NonNullable<AgentStatus['address']>): string => `${ip} (${why})`;

function brokersText({ brokers }: AgentStatus): string {
  if (!brokers) return '';
  const learned = brokers.learned.map(address => `${address} (learned)`);
  return [...brokers.told, ...learned].join(', ');
}

// A node may have been rejected or deleted while it had no connection.
function asOfText({ state, lastAcknowledged }: AgentStatus): string {
  if (state === 'registering' || state === 'deleted') return '';
  const since = lastAcknowledged === undefined ? 'before this start' : ago(lastAcknowledged);
  return `, as of ${since}: the requester has not confirmed it since`;
}

function heartbeatsText({ heartbeats = 0, lastHeartbeat }: AgentStatus): string {
  return lastHeartbeat ? `${heartbeats} sent, the last ${ago(lastHeartbeat)}` : `${heartbeats} sent`;
}

const trustTexts: Partial<Record<RequesterStatus['trust'], string>> = {
  keys: 'each node by its own key',
  shared: 'shared NATS: whoever may speak there may speak for any node, so approval protects nothing',
};

function requesterRows(status: RequesterStatus): TextRow[] {
  const { nodes, counters } = status;
  const isExplained = status.state === 'degraded' || (status.troubles ?? []).length > 0;
  return [
    // What keeps a requester from its work is a trouble, and stands above already.
    ['state', status.reason && !isExplained ? `${status.state} (${status.reason})` : status.state],
    ['broker', hasBrokerTrouble(status) ? '' : (status.broker ?? '')],
    ['trust', trustTexts[status.trust] ?? ''],
    ['next CA', status.nextAuthority ? nextAuthorityText(status.nextAuthority) : ''],
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
    ['store', storeText(status.store ?? [])],
    ...requestersRows(status),
    ['events', status.eventsWaiting === undefined ? '' : eventsText(status.eventsWaiting)],
    ...(status.certificates ?? []).map(
      ({ use, endsAt }): TextRow => ['certificate', `${use}: ${endText(endsAt, systemClock.now())}`],
    ),
    ['process', `${status.pid}, muster ${status.version ?? ''}`],
  ];
}

// A single requester always watches, so nothing is said of that.
function requestersRows({ node, version, watcher, peers = [] }: RequesterStatus): TextRow[] {
  if (peers.length === 0 && (watcher === undefined || watcher === node)) return [];
  const others = peers
    .map(peer => `${peer.requester} on ${peer.host}${otherVersionText(peer.version, version)}`)
    .join(', ');
  return [
    ['watcher', watcher === node ? 'this requester' : (watcher ?? 'not known')],
    ['beside it', others || 'no other requester is heard'],
    ...peers.flatMap(({ requester, differs = [] }): TextRow[] =>
      differs.length > 0 ? [['settings', `${requester} has another ${differs.join(', ')}`]] : [],
    ),
    ...peers.flatMap(({ clockAheadMs, ...peer }): TextRow[] =>
      clockAheadMs === undefined
        ? []
        : [['clocks', `${clockDifferenceText({ ...peer, clockAheadMs })}; let a time service set both`]],
    ),
  ];
}

// A status may come from an earlier version, which does not say it.
const otherVersionText = (version: string | undefined, own: string | undefined): string =>
  version === undefined || version === own ? '' : ` (muster ${version})`;

function nextAuthorityText({ ready, missing }: NonNullable<RequesterStatus['nextAuthority']>): string {
  if (ready) return 'a restart uses it';
  return `waits for ${missing === 1 ? '1 approved node' : `${missing} approved nodes`}; see: muster broker ca`;
}

function eventsText(waitingNodes: number): string {
  if (waitingNodes === 0) return 'all acknowledged by the broker';
  return `${waitingNodes === 1 ? '1 node has' : `${waitingNodes} nodes have`} events that the broker has not acknowledged`;
}

/** Returns `3 s ago`, or `never` when there is no time. */
const ago = (time: string | undefined): string => (time ? agoText(time, systemClock.now()) : 'never');
