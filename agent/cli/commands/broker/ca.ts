// `muster broker ca` shows the CAs that the nodes trust, and how far the replacement of one is.
import { apiSettings, requesterApi } from '../../../api/client.ts';
import { formatAs } from '../../../output/data.ts';
import { print } from '../../../output/terminal.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { outputFlag } from '../../line/output-flag.ts';
import { authoritiesText, certificateText } from './authorities-text.ts';

export const settings = apiSettings;

export const flags = { output: outputFlag('table', 'json', 'yaml', 'pem') } satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster broker ca', 'show the CAs and which nodes do not trust the next one yet'],
  ['muster broker ca -o pem >ca.pem', 'the present and the next CA, for programs and operators elsewhere'],
];

export async function run({ load, flags: { output } }: Argv<typeof flags>): Promise<number> {
  const view = await (await requesterApi(load)).authorities.view();
  if (output === 'pem') print(certificateText(view.CA));
  else print(await formatAs(output, view, () => authoritiesText(view)));
  return 0;
}
