// `muster broker share-keys` writes the keys that another requester of the same roll needs.
import { dataFolder } from '../../../config/paths.ts';
import { handOutSecret, saveFlag } from '../../../output/secret-output.ts';
import { note } from '../../../output/terminal.ts';
import { writeSharedKeys } from '../../../protocol/shared-keys.ts';
import { collectSharedKeys } from '../../../roles/share-keys.ts';
import { isLoopback } from '../../../system/loopback.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { withKeyFolder } from './key-folder.ts';

export const settings = 'requester';

export const flags = { save: saveFlag } satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster broker share-keys --save keys.json', 'write them into a file that only you can read'],
  [
    'muster broker share-keys --data-dir /srv/muster --save keys.json',
    'for a requester whose state is in another folder',
  ],
];

export async function run({ load, flags: given }: Argv<typeof flags>): Promise<number> {
  const { settings: loaded } = await load({ role: 'requester' });
  const data = await dataFolder(loaded);
  await handOutSecret(given.save, () =>
    withKeyFolder(data, async () => writeSharedKeys(await collectSharedKeys(data, loaded))),
  );
  note('Whoever has them can let anybody in. Bring them to the machine of the other');
  note('requester, and there run: muster broker take-keys FILE');
  if (loaded.nats.servers.length === 0 && isLoopback(loaded.broker.host)) {
    note('The broker listens on this machine only:');
    note('for a requester on another one, set broker.host first.');
  }
  return 0;
}
