// `muster agent reset-identity` makes a copied agent a node of its own: it gets a new key and a new id at its next start.
import { resetIdentity } from '../../../compute/registration/reset-identity.ts';
import { roleFolder, runtimeFolder, searchedFolders } from '../../../config/paths.ts';
import { note, print } from '../../../output/terminal.ts';
import { systemClock } from '../../../system/clock.ts';
import { MusterError } from '../../../system/errors.ts';
import { askHolder } from '../../../system/role-socket.ts';
import type { Argv, Example } from '../../line/command.ts';

export const settings = ['dataDir', 'node.id'] as const;

export const examples: readonly Example[] = [
  ['muster agent reset-identity', 'after this machine was made from an image of another node'],
  ['muster agent reset-identity --data-dir /srv/muster', 'for an agent whose state is in another folder'],
];

/**
 * Sets key, id and registration aside. Throws MusterError `in_use` while the agent runs, because it goes on with the key
 * that it has in memory; `not_found` when there is no key.
 */
export async function run(argv: Argv): Promise<number> {
  const { settings: loaded } = await argv.load({ skipUnreadable: true });
  const folders = await searchedFolders(loaded);
  for (const folder of folders) {
    await refuseWhileRunning(folder);
    const names = await resetIdentity(roleFolder(folder, 'agent'), systemClock.now());
    if (names.length === 0) continue;
    // An agent that started meanwhile may have read the old key.
    await refuseWhileRunning(folder);
    print('Ok\n');
    note(`set aside: ${names.join(', ')}`);
    note(
      loaded.node.id === undefined
        ? 'the agent gets a new key and a new id at its next start, and needs a join code'
        : `the agent gets a new key at its next start, and needs a join code; node.id is still ${loaded.node.id}: give it another`,
    );
    return 0;
  }
  throw new MusterError('not_found', `no key of a node is here (looked in ${folders.join(' and ')})`, {
    hint: 'name the data folder of the agent: --data-dir',
  });
}

async function refuseWhileRunning(folder: string): Promise<void> {
  if ((await askHolder(runtimeFolder(folder, 'agent'), { command: 'status' })) === undefined) return;
  throw new MusterError('in_use', `an agent runs in ${folder}, and goes on with the key that it has`, {
    hint: 'stop it, run this command again, and start it then',
  });
}
