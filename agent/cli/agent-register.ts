// `muster agent register`: asks the agent of this machine to register by hand, as a deleted node has to.
import { join } from 'node:path';
import { dataFolder, runtimeFolder } from '../config/paths.ts';
import { MusterError } from '../system/errors.ts';
import { askHolder } from '../system/role-socket.ts';
import type { Argv } from './command.ts';
import { print } from './terminal.ts';

export const settings = ['dataDir'] as const;

/** Throws MusterError `unreachable` when no agent runs here. */
export async function run(argv: Argv): Promise<number> {
  const data = await dataFolder((await argv.load({ skipUnreadable: true })).settings);
  const answer = await askHolder(runtimeFolder(data, 'agent'), { command: 'register' });
  if (answer === undefined) {
    throw new MusterError('unreachable', `no agent runs here (looked in ${data})`, {
      hint: `start it: a start registers too; for another folder, such as ${join(data, 'dev', 'node-1')} of muster dev: --data-dir`,
    });
  }
  print('Ok\n');
  return 0;
}
