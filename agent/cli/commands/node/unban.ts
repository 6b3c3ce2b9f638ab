// `muster node unban` lifts the ban of a key.
import { apiSettings, requesterApi } from '../../../api/client.ts';
import { print } from '../../../output/terminal.ts';
import type { Argv, Example } from '../../line/command.ts';
import { actor } from '../actor.ts';

export const settings = apiSettings;

export const operands = { fingerprint: 'the fingerprint of a banned key' };

export const examples: readonly Example[] = [
  ['muster node unban BDWE-AMSB-5ZAN-P4NC', 'let the node with this key register again'],
  ['muster node unban bdweamsb5zanp4nc', 'small letters, and no hyphens, are fine too'],
];

export async function run(argv: Argv<Record<string, never>, keyof typeof operands>): Promise<number> {
  const api = await requesterApi(argv.load);
  await api.bans.lift(argv.operands.fingerprint, actor());
  print('Ok\n');
  return 0;
}
