// `muster join-code list` lists the join codes that the requester keeps, without the codes themselves.
import { apiSettings, requesterApi } from '../../../api/client.ts';
import { formatAs } from '../../../output/data.ts';
import { table } from '../../../output/table.ts';
import { print } from '../../../output/terminal.ts';
import type { JoinCodeView } from '../../../protocol/http-join-codes.ts';
import { durationText } from '../../../protocol/unit-text.ts';
import { systemClock } from '../../../system/clock.ts';
import { printable } from '../../../system/printable.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { outputFlag } from '../../line/output-flag.ts';

export const settings = apiSettings;

export const flags = { output: outputFlag('table', 'json', 'yaml') } as const satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster join-code list', 'see which codes let nodes in, and how often they were used'],
  ['muster join-code list -o json', 'the same for a program'],
];

export async function run({ load, flags: { output } }: Argv<typeof flags>): Promise<number> {
  const codes = await (await requesterApi(load)).joinCodes.list();
  print(await formatAs(output, codes, () => listText(codes, systemClock.now())));
  return 0;
}

function listText(codes: readonly JoinCodeView[], now: Date): string {
  if (codes.length === 0) return 'There is no join code. Make one by: muster join-code create\n';
  const rows = codes.map(code =>
    [
      code.ID,
      code.State,
      `${code.Used}/${code.Uses}`,
      endText(code, now),
      code.Approve ? 'approve' : '',
      code.Network,
      Object.entries(code.Labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(','),
      code.CreatedBy,
    ].map(cell => printable(cell)),
  );
  return table([['ID', 'STATE', 'USED', 'ENDS', 'APPROVAL', 'NETWORK', 'LABELS', 'BY'], ...rows]);
}

function endText({ EndsAt }: JoinCodeView, now: Date): string {
  const leftMs = Date.parse(EndsAt) - now.getTime();
  return leftMs > 0 ? `in ${durationText(leftMs)}` : `${durationText(-leftMs)} ago`;
}
