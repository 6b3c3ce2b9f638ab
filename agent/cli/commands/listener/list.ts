// `muster listener list` lists the listeners, without their tokens.
import { apiSettings, requesterApi } from '../../../api/client.ts';
import { formatAs } from '../../../output/data.ts';
import { table } from '../../../output/table.ts';
import { print } from '../../../output/terminal.ts';
import type { ListenerView } from '../../../protocol/http-listeners.ts';
import { systemClock } from '../../../system/clock.ts';
import { printable } from '../../../system/printable.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { outputFlag } from '../../line/output-flag.ts';
import { expiryText } from '../expiry-text.ts';

export const settings = apiSettings;

export const flags = { output: outputFlag('table', 'json', 'yaml') } as const satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster listener list', 'list the programs that read the events, and how far behind each is'],
  ['muster listener list -o json', 'for a script'],
];

export async function run({ load, flags: { output } }: Argv<typeof flags>): Promise<number> {
  const listeners = await (await requesterApi(load)).listeners.list();
  print(await formatAs(output, listeners, () => listenerTable(listeners, systemClock.now())));
  return 0;
}

/** Returns the listeners as a table. A token that has expired is marked. */
export function listenerTable(listeners: readonly ListenerView[], now: Date): string {
  if (listeners.length === 0) return 'There is no listener. Make one by: muster listener create NAME\n';
  const rows = listeners.map(({ Name, Work, Unread, Expires, CreatedBy, At }) =>
    [Name, String(Unread ?? ''), Work ? 'yes' : 'no', expiryText(Expires, now), CreatedBy, At].map(cell =>
      printable(cell),
    ),
  );
  return table([['NAME', 'UNREAD', 'WORK', 'EXPIRES', 'CREATED BY', 'CREATED'], ...rows]);
}
