// `muster store confirm` tells the requester that an older store, such as a restored backup, is the right one.
import { apiSettings, requesterApi } from '../../../api/client.ts';
import { note, print } from '../../../output/terminal.ts';
import type { Argv, Example } from '../../line/command.ts';
import { actor } from '../actor.ts';

export const settings = apiSettings;

export const examples: readonly Example[] = [
  ['muster store confirm', 'go on with a store that was restored from a backup'],
  ['muster store confirm --api-port 4321', 'the same, for a requester whose API has another port'],
];

export async function run({ load }: Argv): Promise<number> {
  await (await requesterApi(load)).confirmStore(actor());
  print('Ok\n');
  note('The join codes of this store stay void. To let new nodes in: muster join-code create');
  return 0;
}
