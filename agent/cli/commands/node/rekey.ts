// `muster node rekey` gives the record of a node to another key, because its machine was reinstalled.
import { apiSettings, requesterApi } from '../../../api/client.ts';
import { print } from '../../../output/terminal.ts';
import { MusterError } from '../../../system/errors.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { actor } from '../actor.ts';
import { messageFlag } from './message-flag.ts';

export const settings = apiSettings;

export const operands = { id: 'the whole id of a node' };

export const flags = {
  fingerprint: { value: 'F', help: 'the fingerprint of the new key, as that machine shows it' },
  message: messageFlag,
} satisfies FlagTable;

export const examples: readonly Example[] = [
  [
    'muster node rekey node-1 --fingerprint BDWE-AMSB-5ZAN-P4NC',
    'let the reinstalled machine go on as node-1, with its approval',
  ],
  [
    'muster node rekey node-1 --fingerprint BDWE-AMSB-5ZAN-P4NC -m "new disk"',
    'record the reason in the event',
  ],
];

/** Gives the record to the key. Throws MusterError `usage` without a fingerprint. */
export async function run(argv: Argv<typeof flags, keyof typeof operands>): Promise<number> {
  const { id } = argv.operands;
  const { fingerprint, message = '' } = argv.flags;
  if (!fingerprint) {
    throw new MusterError('usage', 'the fingerprint of the new key is missing: --fingerprint F', {
      hint: `see it on that machine with: muster status; or here with: muster node describe ${id}`,
    });
  }
  const api = await requesterApi(argv.load);
  await api.decide(id, { Action: 'rekey', Message: message, Actor: actor(), Fingerprint: fingerprint });
  print('Ok\n');
  return 0;
}
