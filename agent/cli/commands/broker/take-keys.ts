// `muster broker take-keys` takes the keys of another requester, so that this machine's requester can keep the same roll.
import { dataFolder } from '../../../config/paths.ts';
import { note, print } from '../../../output/terminal.ts';
import { ProtocolError } from '../../../protocol/error.ts';
import { maxSharedKeysBytes, readSharedKeys, type SharedKeys } from '../../../protocol/shared-keys.ts';
import { takeSharedKeys } from '../../../roles/share-keys.ts';
import { MusterError } from '../../../system/errors.ts';
import { readBounded } from '../../../system/read-file.ts';
import type { Argv, Example } from '../../line/command.ts';
import { intoKeyFolder } from './key-folder.ts';

export const settings = ['dataDir'] as const;

export const operands = { file: 'the file that muster broker share-keys wrote on the other machine' };

export const examples: readonly Example[] = [
  ['muster broker take-keys keys.json', 'take them, and print the key of this requester'],
  [
    'muster broker take-keys keys.json --data-dir /srv/muster',
    'for a requester whose state is in another folder',
  ],
];

export async function run({
  load,
  operands: { file },
}: Argv<Record<never, never>, keyof typeof operands>): Promise<number> {
  const { settings: loaded } = await load();
  const keys = await readKeys(file);
  const data = await dataFolder(loaded);
  const { login, caFile } = await intoKeyFolder(data, folder => takeSharedKeys(folder, keys));
  print(`${login}\n`);
  note('This is the public key of this requester. Now:');
  note('1. Add it to broker.requesters of the first requester, and start that again.');
  note('   With a NATS of your own, give its servers what "muster broker config" prints');
  note('   there then, instead.');
  note(`2. Set nats.servers of this requester: ${keys.servers.join(', ')}`);
  if (caFile !== undefined) note(`   and nats.tls.caFile: ${caFile}`);
  note(`3. Start this requester, and remove ${file}: it contains secrets.`);
  return 0;
}

async function readKeys(file: string): Promise<SharedKeys> {
  const data = await readBounded(file, maxSharedKeysBytes);
  if (!data) throw new MusterError('not_found', `there is no file ${file}`);
  try {
    return readSharedKeys(data);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new MusterError('bad_state', `${file} does not contain the keys of a requester: ${error.message}`, {
      hint: 'write it again on the machine of the first requester: muster broker share-keys --save FILE',
      cause: error,
    });
  }
}
