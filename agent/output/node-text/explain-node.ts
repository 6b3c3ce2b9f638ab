// Explains the state of a node to a person: how it came to it, what comes next, and what to do.
import type { ExplanationView, TextRow } from '../../protocol/explanation.ts';
import { type ListedNode, statusOf } from '../../protocol/listed-node.ts';
import { isNeverHeard, silenceOf } from '../../protocol/node-silence.ts';
import { durationText } from '../../protocol/unit-text.ts';
import { adviceFor } from './advice.ts';
import { cordonText, drainText } from './cordon-text.ts';
import { formerIdRows, formerRows } from './former-text.ts';
import { shortOrigin } from './label-text.ts';
import { conditionRows, conflictText, decisionRows, optionalTime, row } from './node-rows.ts';

/** Returns what is told of a node, in words. `now` is the present time. `muster node explain` and the API call it. */
export function explainNode(node: ListedNode, now: Date): ExplanationView {
  const sections = [
    { Title: 'membership', Rows: membershipRows(node, now) },
    { Title: 'health', Rows: healthRows(node, now) },
    { Title: 'conditions', Rows: conditionRows(node, now) },
    { Title: 'conflict', Rows: row('agents', conflictText(node, now)) },
    { Title: 'cordon', Rows: cordonRows(node, now) },
  ];
  return {
    Title: titleOf(node),
    Sections: sections.filter(({ Rows }) => Rows.length > 0),
    Labels: labelRows(node),
    Advice: adviceFor(node),
  };
}

function titleOf(node: ListedNode): string {
  const { Info, Membership } = node;
  if (Info.NodeType === 'Requester') return `${Info.NodeID} is a requester: it keeps the roll`;
  return `${Info.NodeID} is ${[Membership, statusOf(node)].filter(Boolean).join(' and ')}`;
}

function membershipRows(node: ListedNode, now: Date): TextRow[] {
  const { Muster, Membership, Info } = node;
  if (Info.NodeType === 'Requester') return row('registered', optionalTime(Muster?.RegisteredAt, now));
  const isWaiting = Membership === 'PENDING';
  return [
    ...row('approval', isWaiting ? 'PENDING: no operator has decided about it' : Membership),
    ...decisionRows(node, now),
    ...formerIdRows(node, now),
    ...formerRows(node, now),
    ...row('registered', optionalTime(Muster?.RegisteredAt, now)),
    ...row('join code', Muster?.JoinCode ?? (Muster ? 'it came in without one' : undefined)),
    ...row('fingerprint', Muster && (Muster.Fingerprint ?? 'unverified: the requester checks no key of it')),
  ];
}

function healthRows(node: ListedNode, now: Date): TextRow[] {
  const { Info, Muster } = node;
  if (Info.NodeType === 'Requester') return [];
  const { Outlook } = Muster ?? {};
  const silenceMs = silenceOf(node, now);
  const heard = silenceMs === undefined ? undefined : `${durationText(silenceMs)} ago`;
  return [
    ['status', statusOf(node)],
    ...row('last heard', heard ?? (isNeverHeard(node) ? 'never' : undefined)),
    ...row('because', Outlook?.Rule),
    ...row('next', nextText(Outlook, now)),
    ...row('waits', Outlook?.Waits),
  ];
}

function nextText(outlook: NonNullable<ListedNode['Muster']>['Outlook'], now: Date): string | undefined {
  if (!outlook) return undefined;
  const { Next, NextAt } = outlook;
  if (!Next || !NextAt) return 'HEALTHY as soon as it is heard';
  const inMs = Date.parse(NextAt) - now.getTime();
  return inMs > 0
    ? `${Next} if nothing is heard of it for ${durationText(inMs)} more (until ${NextAt.slice(11, 19)} UTC)`
    : `${Next}, unless it is heard before the requester decides that`;
}

function cordonRows(node: ListedNode, now: Date): TextRow[] {
  return [
    ...row('cordoned', cordonText(node, now)),
    ...row('why', node.Muster?.Cordon?.Reason),
    ...row('drain', drainText(node, now)),
  ];
}

/** Returns the labels, each with where it comes from. */
function labelRows(node: ListedNode): TextRow[] {
  return Object.entries(node.Info.Labels ?? {})
    .sort()
    .map(([key, value]) => [key, value, shortOrigin(node, key)]);
}
