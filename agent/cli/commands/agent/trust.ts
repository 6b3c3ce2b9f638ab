// `muster agent trust` lets this machine trust another CA of its cluster, which it missed while it was away.
import { requirePin } from '../../../api/authorities.ts';
import { withTrusted } from '../../../compute/registration/cluster-file.ts';
import { dataFolder, searchedFolders } from '../../../config/paths.ts';
import { note, print } from '../../../output/terminal.ts';
import { changeCluster } from '../../../roles/give-code.ts';
import type { Argv, Example } from '../../line/command.ts';

export const settings = ['dataDir'] as const;

export const operands = { pin: 'the pin of the CA, from muster broker ca on the requester' };

const examplePin = 'elxv_-EKyIyM2B6hJSaX7r7soVJS_PCTC5TgymP_QAk';

export const examples: readonly Example[] = [
  [`muster agent trust ${examplePin}`, 'trust this CA from now on'],
  [`muster agent trust --data-dir /srv ${examplePin}`, 'for an agent in another folder'],
];

export async function run({
  load,
  operands: { pin },
}: Argv<Record<never, never>, keyof typeof operands>): Promise<number> {
  requirePin(pin);
  const { settings: loaded } = await load({ skipUnreadable: true, role: 'agent' });
  const searched = await searchedFolders(loaded);
  const running = await changeCluster(searched, await dataFolder(loaded), { command: 'trust', pin }, known =>
    withTrusted(known, pin),
  );
  note(
    running === undefined
      ? 'No agent runs here; the next start uses it.'
      : 'The agent that runs here uses it.',
  );
  print('Ok\n');
  return 0;
}
