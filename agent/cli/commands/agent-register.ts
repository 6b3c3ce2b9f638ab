// `muster agent register`: asks the agent of this machine to register by hand, as a deleted node has to.
import { join } from 'node:path';
import { runtimeFolder, searchedFolders } from '../../config/paths.ts';
import { print } from '../../output/terminal.ts';
import { MusterError } from '../../system/errors.ts';
import { askHolder } from '../../system/role-socket.ts';
import type { Argv } from '../line/command.ts';

export const settings = ['dataDir'] as const;

/** Throws MusterError `unreachable` when no agent runs here. */
export async function run(argv: Argv): Promise<number> {
  const folders = await searchedFolders((await argv.load({ skipUnreadable: true })).settings);
  for (const folder of folders) {
    const answer = await askHolder(runtimeFolder(folder, 'agent'), { command: 'register' });
    if (answer === undefined) continue;
    print('Ok\n');
    return 0;
  }
  throw new MusterError('unreachable', `no agent runs here (looked in ${folders.join(' and ')})`, {
    hint: `start it: a start registers too; for another folder, such as ${join(folders[0] ?? '', 'dev', 'node-1')} of muster dev: --data-dir`,
  });
}
