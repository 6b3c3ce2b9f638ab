// `muster agent register` makes the agent of this machine register again. A deleted node needs this.
import { join } from 'node:path';
import { runtimeFolder, searchedFolders } from '../../../config/paths.ts';
import { print } from '../../../output/terminal.ts';
import { MusterError } from '../../../system/errors.ts';
import { askHolder } from '../../../system/role-socket.ts';
import type { Argv, Example } from '../../line/command.ts';

export const settings = ['dataDir'] as const;

export const examples: readonly Example[] = [
  ['muster agent register', 'register again after the node was deleted'],
  ['muster agent register --data-dir /srv/muster', 'for an agent whose state is in another folder'],
];

/** Asks the agent to register. Throws MusterError `unreachable` when no agent runs here. */
export async function run(argv: Argv): Promise<number> {
  const folders = await searchedFolders((await argv.load({ skipUnreadable: true })).settings);
  for (const folder of folders) {
    const answer = await askHolder(runtimeFolder(folder, 'agent'), { command: 'register' });
    if (answer === undefined) continue;
    print('Ok\n');
    return 0;
  }
  throw new MusterError('unreachable', `no agent runs here (looked in ${folders.join(' and ')})`, {
    hint: `start it: an agent registers when it starts; for an agent of muster dev, name its folder: --data-dir ${join(folders[0] ?? '', 'dev', 'node-1')}`,
  });
}
