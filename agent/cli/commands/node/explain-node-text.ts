// Lays out what is told of a node for a terminal.
import type { ShownEvent, ShownNode } from '../../../api/answers.ts';
import { breakLines } from '../../../output/break-lines.ts';
import { explainNode } from '../../../output/node-text/explain-node.ts';
import { sectionsText } from '../../../output/sections.ts';
import { eventTexts } from '../../../protocol/event-texts.ts';
import type { Advice } from '../../../protocol/explanation.ts';
import { printable } from '../../../system/printable.ts';

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
  const { Title, Sections, Labels } = explainNode(Node, now);
  const parts = [
    `${Title}\n`,
    sectionsText(
      Sections.map(({ Title: title, Rows: rows }) => ({ title, rows })),
      columns,
    ),
    // Its cells do not change the width of the labels above.
    sectionsText([{ title: 'labels', rows: Labels }], columns),
    eventsText(explanation, columns),
    // It is last, so that it stands above the prompt, where one types it.
    adviceText(Node, Advice, columns),
  ];
  return parts.filter(Boolean).join('\n');
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
