// `muster join-code create` makes a code with which new nodes join. Only the code itself goes to standard output.
import { apiSettings, requesterApi } from '../../../api/client.ts';
import { integer } from '../../../config/kind.ts';
import { ipNetwork } from '../../../config/network.ts';
import { labels } from '../../../config/node.ts';
import { jsonText } from '../../../output/data.ts';
import { handOutSecret, saveFlag } from '../../../output/secret-output.ts';
import { note } from '../../../output/terminal.ts';
import { type CreatedJoinCode, joinCodeBounds } from '../../../protocol/http-join-codes.ts';
import { joinCodeWords, joinCommands, revokeCommand } from '../../../protocol/join-code-words.ts';
import { printable } from '../../../system/printable.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { outputFlag } from '../../line/output-flag.ts';
import { actor } from '../actor.ts';
import { validity } from '../validity.ts';

export const settings = apiSettings;

const { maxSeconds, usualSeconds, maxUses } = joinCodeBounds;

export const flags = {
  expires: {
    value: 'TIME',
    kind: validity(maxSeconds),
    help: 'time after which it lets nobody in; default 1h, at most 30d',
  },
  uses: {
    value: 'N',
    kind: integer(1, maxUses, 'a number of nodes'),
    default: 1,
    help: 'number of nodes that it lets in',
  },
  approve: { help: 'approve these nodes at once; without it they wait for approval' },
  labels: { value: 'K=V', kind: labels, many: true, help: 'labels that the nodes get' },
  network: {
    value: 'CIDR',
    kind: ipNetwork,
    help: 'let nodes in only from this network; it means nothing behind NAT or a proxy',
  },
  save: saveFlag,
  output: outputFlag('text', 'json'),
} as const satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster join-code create', 'let one new node in within an hour; it then waits for approval'],
  [
    'muster join-code create --uses 40 --expires 8h --approve --labels rack=b7',
    'let a rack of machines in today, approved and labelled',
  ],
];

export async function run({ load, flags: given }: Argv<typeof flags>): Promise<number> {
  const api = await requesterApi(load);
  let lines: string[] = [];
  await handOutSecret(given.save, async () => {
    const created = await api.joinCodes.create({
      ExpiresInSeconds: given.expires ?? usualSeconds,
      Uses: given.uses,
      Approve: given.approve,
      Labels: Object.assign({}, ...given.labels),
      Network: given.network ?? '',
      Actor: actor(),
    });
    lines = explanation(created, new Date());
    return given.output === 'json' ? jsonText(created) : `${printable(created.Code, 4_096)}\n`;
  });
  for (const line of lines) note(printable(line, 1024));
  return 0;
}

/** Returns what the code does, how it is used, and what limits it, one sentence or command a line. */
function explanation(created: CreatedJoinCode, now: Date): string[] {
  return [
    ...joinCodeWords(created, now),
    'On the new machine, one of these asks for the code:',
    ...joinCommands.map(command => `  ${command}`),
    `To end it early: ${revokeCommand(created.JoinCode.ID)}`,
  ];
}
