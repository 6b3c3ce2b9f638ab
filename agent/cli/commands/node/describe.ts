// `muster node describe`: all that is known of one node.
import { apiSettings, requesterApi } from '../../../api/client.ts';
import { jsonText, yamlText } from '../../../output/data.ts';
import { print } from '../../../output/terminal.ts';
import type { Argv, FlagTable } from '../../line/command.ts';
import { outputFlag } from '../../line/output-flag.ts';

export const settings = apiSettings;

export const operands = { id: 'the id of a node, or enough of its beginning' };

export const flags = {
  output: outputFlag('yaml', 'json'),
} satisfies FlagTable;

export async function run(argv: Argv<typeof flags, keyof typeof operands>): Promise<number> {
  const api = await requesterApi(argv.load);
  const node = await api.node(argv.operands.id);
  print(argv.flags.output === 'json' ? jsonText(node) : await yamlText(node));
  return 0;
}
