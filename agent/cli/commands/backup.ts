// `muster backup FILE` writes everything that the requester of this machine keeps into one file.
import { dataFolder, roleFolder, runtimeFolder } from '../../config/paths.ts';
import { findBrokerAccess } from '../../doctor/checks/broker-access.ts';
import { note, print } from '../../output/terminal.ts';
import type { RequesterStatus } from '../../requester/status/requester-status.ts';
import { backUp } from '../../roles/run-backup.ts';
import { MusterError } from '../../system/errors.ts';
import { printable } from '../../system/printable.ts';
import { askHolder } from '../../system/role-socket.ts';
import type { Argv, Example } from '../line/command.ts';

export const settings = 'requester';

export const operands = { file: 'the new file; nobody but its owner can read it' };

export const examples: readonly Example[] = [
  ['muster backup muster.backup', 'back up the requester of this machine'],
  ['muster backup /backup/muster.backup --data-dir /srv/muster', 'one whose state is in another folder'],
];

export async function run({
  load,
  operands: { file },
}: Argv<Record<never, never>, keyof typeof operands>): Promise<number> {
  const { settings: loaded } = await load({ role: 'requester' });
  const data = await dataFolder(loaded);
  const running = (await askHolder(runtimeFolder(data, 'requester'), { command: 'status' })) as
    | RequesterStatus
    | undefined;
  const way = await findBrokerAccess('requester', loaded, name => roleFolder(data, name), {
    brokerUrl: running?.brokerUrl,
  });
  if (!way)
    throw new MusterError('not_found', `there is no requester in ${data}, so there is nothing to back up`, {
      hint: 'run this on the machine of the requester, as its user; or name its folder: --data-dir',
    });
  const { bytes, records, events } = await backUp({ path: file, data, settings: loaded, running, way });
  print(`${printable(file)}: ${records} records, ${events} events, ${bytes} bytes\n`);
  note(
    'It contains the keys of the cluster: whoever has it can let anybody in. Keep it as safe as the requester.',
  );
  return 0;
}
