// The common part of `muster store raise` and `muster store lower`.
import { dataFolder, roleFolder } from '../../../config/paths.ts';
import { findBrokerAccess } from '../../../doctor/checks/broker-access.ts';
import { note, print } from '../../../output/terminal.ts';
import { runMove } from '../../../roles/run-move.ts';
import { MusterError } from '../../../system/errors.ts';
import type { Argv, FlagTable } from '../../line/command.ts';

/** The settings by which the command finds the folder of the requester and its NATS servers. */
export const moveSettings = [
  'dataDir',
  'nats.servers',
  'nats.tokenFile',
  'nats.user',
  'nats.passwordFile',
  'nats.credsFile',
  'nats.tls.caFile',
  'nats.tls.certFile',
  'nats.tls.keyFile',
  'nats.tls.handshakeFirst',
] as const;

export const moveFlags = {
  yes: { help: 'do it; without it, only say what would be done' },
} satisfies FlagTable;

/** Moves the store to `to` servers, or says what that would do. */
export async function runMoveCommand(
  { load, flags: { yes } }: Argv<typeof moveFlags>,
  to: number,
): Promise<number> {
  const { settings } = await load({ role: 'requester' });
  const data = await dataFolder(settings);
  const way = await findBrokerAccess('requester', settings, name => roleFolder(data, name));
  if (!way)
    throw new MusterError('not_found', `there is no requester in ${data}, so there is nothing to move`, {
      hint: 'run this on the machine of a requester, as its user; or name its folder: --data-dir',
    });
  const { moves, heldMs } = await runMove({ data, settings, way, to, isDry: !yes, onStep: note });
  if (moves === '') {
    print(`The store is on ${to === 1 ? 'one server' : `${to} servers`}.\n`);
    return 0;
  }
  print(moves);
  if (heldMs === undefined)
    note('Nothing was changed. All requesters would hold their writes for some seconds. To do it: --yes');
  else note(`Writes were held for ${(heldMs / 1000).toFixed(1)} s.`);
  return 0;
}
