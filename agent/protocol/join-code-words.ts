// Says in words what a new join code does, and how it is used. The command that makes one and the page say the same.
import type { CreatedJoinCode } from './http-join-codes.ts';
import { localOnlyText } from './local-only-text.ts';
import { durationText, timeText } from './unit-text.ts';

/** The commands for the new machine, each of which asks for the code: one to install the agent, one to try it. */
export const joinCommands = ['sudo muster service install --role agent --join', 'muster agent join'] as const;

/** Returns the command that ends a code early. */
export const revokeCommand = (id: string): string => `muster join-code revoke ${id}`;

/** Returns what a code does, and what limits it, a sentence a line. The lines hold texts as they came. */
export function joinCodeWords({ JoinCode: code, Servers, LocalOnly }: CreatedJoinCode, now: Date): string[] {
  const nodes = code.Uses === 1 ? 'one new node' : `${code.Uses} new nodes`;
  const then =
    code.Uses === 1
      ? `The node is ${code.Approve ? 'approved at once' : 'shown as PENDING until you approve it'}`
      : `The nodes are ${code.Approve ? 'approved at once' : 'shown as PENDING until you approve them'}`;
  const ends = timeText(code.EndsAt, now).replace(/ \(.*/, '');
  const lifetime = durationText(Date.parse(code.EndsAt) - Date.parse(code.CreatedAt));
  const labelled = Object.entries(code.Labels).map(([key, value]) => `${key}=${value}`);
  return [
    `This is join code ${code.ID}. It lets in ${nodes}.`,
    `It is valid until ${ends} (for ${lifetime}).`,
    `${then}.`,
    ...(labelled.length > 0 ? [`Labels: ${labelled.join(', ')}`] : []),
    ...(code.Network ? networkWords(code.Network) : []),
    ...(LocalOnly ? localOnlyText(Servers) : []),
  ];
}

const networkWords = (network: string): string[] => [
  `It works only from ${network}.`,
  'The broker compares that with the address from which a connection comes,',
  'so it means nothing behind NAT or a proxy.',
];
