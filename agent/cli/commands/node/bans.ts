// `muster node bans` lists the keys that are refused for ever.
import { apiSettings, requesterApi } from '../../../api/client.ts';
import { formatAs } from '../../../output/data.ts';
import { table } from '../../../output/table.ts';
import { print } from '../../../output/terminal.ts';
import type { ShownBan } from '../../../protocol/http-operators.ts';
import { printable } from '../../../system/printable.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { outputFlag } from '../../line/output-flag.ts';

export const settings = apiSettings;

export const flags = { output: outputFlag('table', 'json', 'yaml') } satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster node bans', 'list the banned keys with the nodes that had them'],
  ['muster node bans -o json', 'list them for a script'],
];

export async function run({ load, flags: { output } }: Argv<typeof flags>): Promise<number> {
  const bans = await (await requesterApi(load)).bans.list();
  print(await formatAs(output, bans, () => banTable(bans)));
  return 0;
}

function banTable(bans: readonly ShownBan[]): string {
  const rows = bans.map(({ Fingerprint, NodeID, At, Actor, Reason }) =>
    [Fingerprint, NodeID, At, Actor || '-', Reason || '-'].map(cell => printable(cell)),
  );
  return table([['FINGERPRINT', 'ID', 'BANNED', 'BY', 'REASON'], ...rows]);
}
