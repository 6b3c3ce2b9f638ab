// `muster operator revoke` makes the token of an operator void.
import { apiSettings, requesterApi } from '../../../api/client.ts';
import { note, print } from '../../../output/terminal.ts';
import { firstOperator, isFirstOperator } from '../../../protocol/operator-token.ts';
import type { Argv, Example } from '../../line/command.ts';
import { actor } from '../actor.ts';
import { checkName } from '../check-name.ts';

export const settings = apiSettings;

export const operands = { name: 'the name of the operator' };

export const examples: readonly Example[] = [
  ['muster operator revoke ada', "make ada's token void at once"],
  [`muster operator revoke ${firstOperator}`, "make the token of the requester's machine anew"],
];

export async function run({
  load,
  operands: { name },
}: Argv<Record<never, never>, keyof typeof operands>): Promise<number> {
  checkName(name, 'an operator');
  await (await requesterApi(load)).operators.revoke(name, actor());
  print('Ok\n');
  if (isFirstOperator(name)) note('The requester of that machine makes another token for it at once.');
  return 0;
}
