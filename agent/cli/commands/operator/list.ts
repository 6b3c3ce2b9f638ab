// `muster operator list` lists the operators who have a token.
import { apiSettings, requesterApi } from '../../../api/client.ts';
import { formatAs } from '../../../output/data.ts';
import { table } from '../../../output/table.ts';
import { print } from '../../../output/terminal.ts';
import type { OperatorView } from '../../../protocol/http-operators.ts';
import { systemClock } from '../../../system/clock.ts';
import { printable } from '../../../system/printable.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { outputFlag } from '../../line/output-flag.ts';
import { expiryText } from '../expiry-text.ts';

export const settings = apiSettings;

export const flags = { output: outputFlag('table', 'json', 'yaml') } satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster operator list', 'list who may do what, and until when'],
  ['muster operator list -o json', 'for a script'],
];

export async function run({ load, flags: { output } }: Argv<typeof flags>): Promise<number> {
  const operators = await (await requesterApi(load)).operators.list();
  print(await formatAs(output, operators, () => operatorTable(operators, systemClock.now())));
  return 0;
}

/** Returns the operators as a table. A token that has expired is marked. */
export function operatorTable(operators: readonly OperatorView[], now: Date): string {
  const rows = operators.map(({ Name, ReadOnly, Expires, CreatedBy, At }) =>
    [Name, ReadOnly ? 'read-only' : 'full', expiryText(Expires, now), CreatedBy, At].map(cell =>
      printable(cell),
    ),
  );
  return table([['NAME', 'ACCESS', 'EXPIRES', 'CREATED BY', 'CREATED'], ...rows]);
}
