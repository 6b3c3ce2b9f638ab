// `muster node bans` lists the keys that are refused for ever.
import { apiSettings, requesterApi } from '../../../api/client.ts';
import { jsonText, yamlText } from '../../../output/data.ts';
import { table } from '../../../output/table.ts';
import { print } from '../../../output/terminal.ts';
import { printable } from '../../../system/printable.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { outputFlag } from '../../line/output-flag.ts';

export const settings = apiSettings;

export const flags = { output: outputFlag('table', 'json', 'yaml') } satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster node bans', 'list the banned keys with the nodes that had them'],
  ['muster node bans -o json', 'list them for a script'],
];

const titles = ['FINGERPRINT', 'ID', 'BANNED', 'BY', 'REASON'];

export async function run(argv: Argv<typeof flags>): Promise<number> {
  const bans = await (await requesterApi(argv.load)).bans.list();
  const { output } = argv.flags;
  if (output === 'json') print(jsonText(bans));
  else if (output === 'yaml') print(await yamlText(bans));
  else {
    const rows = bans.map(({ Fingerprint, NodeID, At, Actor, Reason }) =>
      [Fingerprint, NodeID, At, Actor || '-', Reason || '-'].map(cell => printable(cell)),
    );
    print(table([titles, ...rows]));
  }
  return 0;
}
