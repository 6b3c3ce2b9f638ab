// Reads what an operator types into the dialog of a decision.
import { parseDuration } from '../../protocol/duration.ts';
import type { RollRow } from '../../protocol/roll-rows.ts';
import { type Deed, noWish, type Wish } from './deeds.ts';
import { readLabels } from './label-text.ts';

/** The texts of the fields. */
export interface TypedWish {
  readonly reason: string;
  readonly labels: string;
  readonly forText: string;
  readonly deadline: string;
  /** The id of the node that is deleted, or the number of the nodes. */
  readonly id: string;
}

/** Returns the wish, or a sentence that says what is missing or wrong. */
export function readWish(
  typed: TypedWish,
  { asks }: Pick<Deed, 'asks'>,
  rows: readonly RollRow[],
): Wish | string {
  const wish = { ...noWish, reason: typed.reason.trim() };
  const times: [ask: Deed['asks'][number], text: string, name: 'for' | 'deadline'][] = [
    ['for', typed.forText.trim(), 'for'],
    ['deadline', typed.deadline.trim(), 'deadline'],
  ];
  for (const [ask, text, name] of times) {
    if (!asks.includes(ask) || text === '') continue;
    const ms = parseDuration(text);
    if (ms === undefined || ms < 1000) return `"${text}" is no time; write it like 2h, 45m or 1d.`;
    wish[`${name}Text`] = text;
    wish[`${name}Seconds`] = Math.round(ms / 1000);
  }
  if (wish.forSeconds > 0 && wish.deadlineSeconds > wish.forSeconds)
    return 'The cordon would end before the work should be over.';
  if (asks.includes('labels')) {
    const labels = readLabels(typed.labels);
    if (typeof labels === 'string') return `${labels}.`;
    if (Object.keys(labels).length === 0) return 'Write key=value to set a label, and key- to remove one.';
    wish.labels = labels;
  }
  if (asks.includes('id') && typed.id.trim() !== wantedText(rows))
    return rows.length === 1
      ? 'Type the id of the node, so that nothing is deleted by mistake.'
      : 'Type the number of the nodes, so that nothing is deleted by mistake.';
  return wish;
}

/** Returns what has to be typed before nodes are deleted. */
const wantedText = (rows: readonly RollRow[]): string =>
  rows.length === 1 ? (rows[0]?.id ?? '') : String(rows.length);
