// `muster join-code revoke` ends a join code before its time.
import { apiSettings, requesterApi } from '../../../api/client.ts';
import { note, print } from '../../../output/terminal.ts';
import type { Argv, Example } from '../../line/command.ts';
import { actor } from '../actor.ts';

export const settings = apiSettings;

export const operands = { id: 'the id of the code, which "muster join-code list" shows' };

export const examples: readonly Example[] = [
  ['muster join-code revoke abcdefgh23', 'let nobody in with this code any more'],
  ['muster join-code revoke abcdefgh23 --api-port 1235', 'ask a requester whose API has another port'],
];

export async function run({ load, operands: { id } }: Argv<Record<never, never>, 'id'>): Promise<number> {
  const { Used } = await (await requesterApi(load)).joinCodes.revoke(id, actor());
  print('Ok\n');
  if (Used > 0) {
    const nodes =
      Used === 1 ? 'The node that came in with it stays' : `The ${Used} nodes that came in with it stay`;
    note(`${nodes} on the roll: muster node list`);
  }
  return 0;
}
