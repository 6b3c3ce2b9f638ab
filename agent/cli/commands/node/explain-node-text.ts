// Explains the state of a node to a person: how it came to it, what comes next, and what to do.
import type { ShownEvent, ShownNode } from '../../../api/answers.ts';
import { breakLines } from '../../../output/break-lines.ts';
import { type Row, type Section, sectionsText } from '../../../output/sections.ts';
import { statusOf } from '../../../protocol/listed-node.ts';
import { isNeverHeard, silenceOf } from '../../../protocol/node-silence.ts';
import { durationText } from '../../../protocol/unit-text.ts';
import { printable } from '../../../system/printable.ts';
import { eventTexts } from '../event-texts.ts';
import type { Advice } from './advice.ts';
import { cordonText, drainText } from './cordon-text.ts';
import { formerIdRows, formerRows } from './former-text.ts';
import { shortOrigin } from './label-text.ts';
import { conditionRows, conflictText, decisionRows, optionalTime, row } from './node-rows.ts';

/** What is told of a node. */
export interface NodeExplanation {
  Node: ShownNode;
  /** Its last events, the oldest first. */
  Events: ShownEvent[];
  /** Why the events could not be read; absent when they were. */
  EventsFault?: string;
  Advice: Advice[];
}

/** Returns the text, whose lines have at most `columns` characters where they can be broken. `now` is the present time. */
export function explainNodeText(explanation: NodeExplanation, now: Date, columns = 80): string {
  const { Node, Advice } = explanation;
  const sections: Section[] = [
    { title: 'membership', rows: membershipRows(Node, now) },
    { title: 'health', rows: healthRows(Node, now) },
    { title: 'conditions', rows: conditionRows(Node, now) },
    { title: 'conflict', rows: row('agents', conflictText(Node, now)) },
    { title: 'cordon', rows: cordonRows(Node, now) },
  ];
  const parts = [
    `${titleOf(Node)}\n`,
    sectionsText(sections, columns),
    // Its cells do not change the width of the labels above.
    sectionsText([{ title: 'labels', rows: labelRows(Node) }], columns),
    eventsText(explanation, columns),
    // It is last, so that it stands above the prompt, where one types it.
    adviceText(Node, Advice, columns),
  ];
  return parts.filter(Boolean).join('\n');
}

function titleOf(node: ShownNode): string {
  const { Info, Membership } = node;
  if (Info.NodeType === 'Requester') return `${Info.NodeID} is a requester: it keeps the roll`;
  return `${Info.NodeID} is ${[Membership, statusOf(node)].filter(Boolean).join(' and ')}`;
}

function membershipRows(node: ShownNode, now: Date): Row[] {
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

function healthRows(node: ShownNode, now: Date): Row[] {
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

function nextText(outlook: NonNullable<ShownNode['Muster']>['Outlook'], now: Date): string | undefined {
  if (!outlook) return undefined;
  const { Next, NextAt } = outlook;
  if (!Next || !NextAt) return 'HEALTHY as soon as it is heard';
  const inMs = Date.parse(NextAt) - now.getTime();
  return inMs > 0
    ? `${Next} if nothing is heard of it for ${durationText(inMs)} more (until ${NextAt.slice(11, 19)} UTC)`
    : `${Next}, unless it is heard before the requester decides that`;
}

function cordonRows(node: ShownNode, now: Date): Row[] {
  return [
    ...row('cordoned', cordonText(node, now)),
    ...row('why', node.Muster?.Cordon?.Reason),
    ...row('drain', drainText(node, now)),
  ];
}

/** Returns the labels, each with where it comes from. */
function labelRows(node: ShownNode): Row[] {
  return Object.entries(node.Info.Labels ?? {})
    .sort()
    .map(([key, value]) => [key, value, shortOrigin(node, key)]);
}

function adviceText({ Info }: ShownNode, advice: readonly Advice[], columns: number): string {
  if (Info.NodeType === 'Requester') return '';
  const lines = advice.flatMap(({ Why, Command, On }) => [
    ...wrapped(`${Why}${On ? `, on ${On}` : ''}:`, '  ', columns),
    `      ${printable(Command)}`,
  ]);
  return `what to do\n${(lines.length > 0 ? lines : ['  nothing: all is well']).join('\n')}\n`;
}

/** Returns the events, a line each. What does not fit beside its event stands below it. */
function eventsText({ Events, EventsFault }: NodeExplanation, columns: number): string {
  const texts = Events.map(event => ({ event, ...eventTexts(event) }));
  const width = Math.max(0, ...texts.map(({ change }) => change.length));
  const kindWidth = Math.max(10, ...texts.map(({ kind }) => kind.length));
  const lines = texts.flatMap(({ event, kind, change, details }) => {
    const time = event.time.slice(0, 19).replace('T', ' ');
    const what = printable(`  ${time}  ${kind.padEnd(kindWidth)}  ${change.padEnd(width)}`);
    const more = printable(details.join('  '), 2_048);
    if (what.length + 2 + more.length <= columns) return [`${what}  ${more}`.trimEnd()];
    return [what.trimEnd(), ...wrapped(more, '      ', columns)];
  });
  if (EventsFault !== undefined) lines.push(...wrapped(`they cannot be read: ${EventsFault}`, '  ', columns));
  else if (lines.length === 0) lines.push('  none are kept');
  return `last events\n${lines.join('\n')}\n`;
}

/** Returns the lines of a text that is safe for a terminal, each with `indent` before it. */
const wrapped = (text: string, indent: string, columns: number): string[] =>
  breakLines(printable(text, 2_048), Math.max(20, columns - indent.length)).map(line => indent + line);
