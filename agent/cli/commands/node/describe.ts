// `muster node describe` shows everything about one node.
import { apiSettings, requesterApi } from '../../../api/client.ts';
import { formatAs } from '../../../output/data.ts';
import { outputWidth, print } from '../../../output/terminal.ts';
import { systemClock } from '../../../system/clock.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { outputFlag } from '../../line/output-flag.ts';
import { describeText } from './describe-text.ts';
import { findNode } from './find-node.ts';

export const settings = apiSettings;

export const operands = { id: 'the id of a node, or a unique beginning of it' };

export const flags = {
  output: outputFlag('text', 'json', 'yaml'),
} satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster node describe node-1', 'show a node to a person'],
  ['muster node describe node-1 -o json', 'show it to a script'],
];

export async function run(argv: Argv<typeof flags, keyof typeof operands>): Promise<number> {
  const api = await requesterApi(argv.load);
  const node = await findNode(api, argv.operands.id);
  const text = () => describeText(node, systemClock.now(), outputWidth());
  print(await formatAs(argv.flags.output, node, text));
  return 0;
}
