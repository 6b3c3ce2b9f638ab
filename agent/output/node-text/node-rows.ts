// Rows about a node that its description and its explanation both have.

import type { TextRow } from '../../protocol/explanation.ts';
import type { ListedNode } from '../../protocol/listed-node.ts';
import { zeroTime } from '../../protocol/node-info.ts';
import { operatorText } from '../../protocol/operator-text.ts';
import { timeText } from '../../protocol/unit-text.ts';

/** Returns a row, or no rows when there is no value. */
export function row(label: string, value: string | undefined): TextRow[] {
  return value ? [[label, value]] : [];
}

const participles: Readonly<Record<string, string>> = { approve: 'approved', reject: 'rejected' };

/** Returns the last decision about a node: which, by whom, when, and why. */
export function decisionRows({ Muster }: ListedNode, now: Date): TextRow[] {
  const { Decision } = Muster ?? {};
  if (!Decision) return [];
  const { Action, Actor, ClaimedActor, At, Reason } = Decision;
  const who = Actor ? ` by ${operatorText(Actor, ClaimedActor)}` : '';
  const by = `${participles[Action] ?? Action}${who}`;
  return [
    ...row('decision', [by, optionalTime(At, now)].filter(Boolean).join(', ')),
    ...row('reason', Reason),
  ];
}

/** Returns what is in conflict about a node, and what ends it; undefined when nothing is. */
export function conflictText({ Info, Muster }: ListedNode, now: Date): string | undefined {
  if (!Muster?.Conflict) return undefined;
  const { At, Agents } = Muster.Conflict;
  const [holder, refused] = Agents;
  if (holder && refused?.Fingerprint) {
    const noticed = `last noticed ${timeText(At, now)}`;
    if (refused.Use === 'work')
      return `two programs want to work with this key: one is ${placeText(holder)}, the other ${placeText(refused)}; ${noticed}. Stop one of them. If one is not yours, somebody has the key; replace it on the node: muster agent rotate-key`;
    if (holder.Fingerprint === refused.Fingerprint)
      return `two agents use this key: one is ${placeText(holder)}, the other ${placeText(refused)}; ${noticed}. Stop one of them, or make the copy a node of its own, on its machine: muster agent reset-identity`;
    const known = holder.Fingerprint
      ? `it has ${holder.Fingerprint}, ${placeText(holder)}`
      : 'it has no key yet';
    return `the key ${refused.Fingerprint}, ${placeText(refused)}, wants to be this node; ${known}; ${noticed}. If that machine was reinstalled: muster node rekey ${Info.NodeID} --fingerprint ${refused.Fingerprint}`;
  }
  const hosts = [...new Set(Agents.map(({ Host }) => Host).filter(Boolean))];
  const where = hosts.length > 0 ? `, on ${hosts.join(' and ')}` : '';
  return `two agents use this id${where}; last noticed ${timeText(At, now)}. Stop one of them, or give it another id: node.id`;
}

/** Returns where an agent runs, such as `on host-1 (10.0.0.7)`. */
function placeText({ Host, Address }: { Host: string; Address: string }): string {
  if (Host && Address && Host !== Address) return `on ${Host} (${Address})`;
  return Host || Address ? `on ${Host || Address}` : 'on an unknown host';
}

/** Returns the time; undefined for Go's zero time, which means "no time". */
export function optionalTime(time: string | undefined, now: Date): string | undefined {
  return time === undefined || time === zeroTime ? undefined : timeText(time, now);
}

/** Returns since when a node has a condition, by the clock of the node. */
function sinceText(since: string, now: Date): string | undefined {
  const text = optionalTime(since, now);
  const isAhead = text !== undefined && Date.parse(since) - now.getTime() >= 1_000;
  return text && `since ${text}${isAhead ? ', by its own clock, which is ahead' : ''}`;
}

/** Returns the conditions of a node, each with its reason and its time. */
export function conditionRows({ Info }: ListedNode, now: Date): TextRow[] {
  return (Info.Conditions ?? []).flatMap(({ Type, Reason, Since }): TextRow[] => [
    [Type, Reason],
    ...row('', sinceText(Since, now)),
  ]);
}
