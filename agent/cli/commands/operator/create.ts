// `muster operator create` makes an operator's token and prints it, alone on standard output, or writes it into a file.
import { apiSettings, requesterApi } from '../../../api/client.ts';
import { handOutSecret, saveFlag } from '../../../output/secret-output.ts';
import { note } from '../../../output/terminal.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { actor } from '../actor.ts';
import { checkName } from '../check-name.ts';
import { tokenExpiryFlag } from '../validity.ts';

export const settings = apiSettings;

export const operands = { name: 'the name of the operator, which decisions then show' };

export const flags = {
  'read-only': { help: 'the token allows only to read' },
  expires: tokenExpiryFlag,
  save: saveFlag,
} satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster operator create ada --save ada.token', 'make a token and write it into a file of its own'],
  ['muster operator create auditor --read-only --expires 30d', 'make one that only reads, for 30 days'],
];

export async function run({
  load,
  flags: given,
  operands: { name },
}: Argv<typeof flags, keyof typeof operands>): Promise<number> {
  checkName(name, 'an operator');
  const api = await requesterApi(load);
  await handOutSecret(given.save, async () => {
    const token = await api.operators.create({
      Name: name,
      ReadOnly: given['read-only'],
      ExpiresInSeconds: given.expires ?? 0,
      Actor: actor(),
    });
    return `${token}\n`;
  });
  note(
    given.save === undefined
      ? 'It is shown only now. Keep it in a file of mode 600 that api.tokenFile or MUSTER_API_TOKEN_FILE names.'
      : 'The token is in that file only. Name the file in api.tokenFile or MUSTER_API_TOKEN_FILE.',
  );
  return 0;
}
