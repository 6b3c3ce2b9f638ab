// `muster listener create` makes a listener, and prints what its program needs to read the events, or writes it into a file.
import { apiSettings, requesterApi } from '../../../api/client.ts';
import { jsonText } from '../../../output/data.ts';
import { handOutSecret, saveFlag } from '../../../output/secret-output.ts';
import { table } from '../../../output/table.ts';
import { note } from '../../../output/terminal.ts';
import type { CreatedListener } from '../../../protocol/http-listeners.ts';
import { localOnlyText } from '../../../protocol/local-only-text.ts';
import { printable } from '../../../system/printable.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { outputFlag } from '../../line/output-flag.ts';
import { actor } from '../actor.ts';
import { checkName } from '../check-name.ts';
import { tokenExpiryFlag } from '../validity.ts';

export const settings = apiSettings;

export const operands = { name: 'the name of the program that reads the events' };

export const flags = {
  expires: tokenExpiryFlag,
  'from-oldest': { help: 'it also reads the events that are stored already' },
  work: { help: 'it may also speak with approved nodes, on the subjects in broker.approved' },
  save: saveFlag,
  output: outputFlag('text', 'json'),
} as const satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster listener create billing -o json --save billing.json', 'let a program read the events from now on'],
  [
    'muster listener create scheduler --work -o json --save scheduler.json',
    'let it also give work to approved nodes',
  ],
];

export async function run({
  load,
  flags: given,
  operands: { name },
}: Argv<typeof flags, keyof typeof operands>): Promise<number> {
  checkName(name, 'a listener');
  const api = await requesterApi(load);
  const notes: string[] = [];
  await handOutSecret(given.save, async () => {
    const created = await api.listeners.create({
      Name: name,
      FromOldest: given['from-oldest'],
      Work: given.work,
      ExpiresInSeconds: given.expires ?? 0,
      Actor: actor(),
    });
    if (created.LocalOnly) notes.push(...localOnlyText(created.Servers).map(line => printable(line, 1_024)));
    if (created.WorkOpen === false) notes.push(...nothingOpenText);
    return given.output === 'json' ? jsonText(created) : listenerText(created);
  });
  note(
    given.save === undefined
      ? 'The token is shown only now. Keep it in a file of mode 600.'
      : 'The token is in that file only. Give the file to the program.',
  );
  for (const line of notes) note(line);
  return 0;
}

const nothingOpenText = [
  'Nothing is opened for approved nodes yet, so the broker does not let it in as the user work.',
  'Set broker.approved.publish and broker.approved.subscribe on the requester, and restart it.',
];

/** Returns what the program needs, a line each, and the CA at the end. */
export function listenerText(created: CreatedListener): string {
  const { Servers, Token, Stream, Durable, InboxPrefix, Expires, CA } = created;
  const rows = [
    ['Servers', Servers.join(' ')],
    ['Token', Token],
    ['Stream', Stream],
    ['Durable', Durable],
    ['Inbox prefix', InboxPrefix],
    ...(Expires === undefined ? [] : [['Expires', Expires]]),
  ].map(cells => cells.map(cell => printable(cell, 4_096)));
  const lines = CA.split('\n').map(line => printable(line, 4_096));
  return table(rows) + (CA === '' ? '' : `CA\n${lines.join('\n')}`);
}
