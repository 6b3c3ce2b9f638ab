// `muster listener revoke` makes the token of a listener void, and ends its connections.
import { apiSettings, requesterApi } from '../../../api/client.ts';
import { print } from '../../../output/terminal.ts';
import type { Argv, Example } from '../../line/command.ts';
import { actor } from '../actor.ts';
import { checkName } from '../check-name.ts';

export const settings = apiSettings;

export const operands = { name: 'the name of the listener' };

export const examples: readonly Example[] = [
  ['muster listener revoke billing', 'let that program read nothing more, at once'],
  ['muster listener revoke billing --api-port 1235', 'ask a requester whose API has another port'],
];

export async function run({
  load,
  operands: { name },
}: Argv<Record<never, never>, keyof typeof operands>): Promise<number> {
  checkName(name, 'a listener');
  await (await requesterApi(load)).listeners.revoke(name, actor());
  print('Ok\n');
  return 0;
}
